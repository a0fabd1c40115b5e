/// A fault of an emulated reader.
package enum PN532Fault: String, CaseIterable, Sendable {
    /// No fault.
    case none
    /// Does not answer at all.
    case silence
    /// Acknowledges each command but sends no response.
    case acknowledge
    /// Answers each command with noise instead of frames.
    case garbage
    /// Sends responses with a wrong checksum.
    case checksum
    /// Sends only the first half of each response.
    case half
    /// Answers every command except those that search for tags.
    case radio
}
