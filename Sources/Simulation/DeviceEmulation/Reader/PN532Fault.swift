/// What may be wrong with an emulated reader.
package enum PN532Fault: String, CaseIterable, Sendable {
    /// It works.
    case none
    /// It hears and says nothing.
    case silence
    /// It acknowledges every command and never answers.
    case acknowledge
    /// It answers every command with noise in place of frames.
    case garbage
    /// Its answers are right but for their checksum.
    case checksum
    /// It stops in the middle of every answer.
    case half
    /// It can be opened, and answers everything but a look for tags.
    case radio
}
