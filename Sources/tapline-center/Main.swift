import Runtime

@main
struct Main {
    static func main() async {
        await Program("tapline-center", "placeholder", commands: []).main()
    }
}
