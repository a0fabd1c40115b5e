import CLI

extension Center {
    static let tokens: [Command] = []
}
