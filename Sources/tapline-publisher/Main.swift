import Runtime

@main
struct Main {
    static func main() async {
        await Program("tapline-publisher", "placeholder", commands: []).main()
    }
}
