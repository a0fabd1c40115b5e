import CLI

extension Center {
    static let attendees: [Command] = []
}
