import Runtime

@main
struct Main {
    static func main() async {
        await Program("tapline-gate", "placeholder", commands: []).main()
    }
}
