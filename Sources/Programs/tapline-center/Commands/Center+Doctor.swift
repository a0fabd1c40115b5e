import CLI

extension Center {
    static let doctor: [Command] = []
}
