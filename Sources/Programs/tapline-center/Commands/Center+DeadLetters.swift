import CLI

extension Center {
    static let deadLetters: [Command] = []
}
