import CLI

extension Center {
    static let scanExport: [Command] = []
}
