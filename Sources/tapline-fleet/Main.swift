import Runtime

@main
struct Main {
    static func main() async {
        await Program("tapline-fleet", "placeholder", commands: []).main()
    }
}
