import Runtime

@main
struct Main {
    static func main() async {
        await Program("tapline-snapshot", "placeholder", commands: []).main()
    }
}
