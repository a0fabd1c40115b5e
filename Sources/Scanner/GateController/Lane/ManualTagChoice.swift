import Crypto
import ScanModel

/// The tag that an operator means.
struct ManualTagChoice {
    let tag: TagID

    /// Chooses the tag.
    ///
    /// A UID names an authenticated chip if the list knows it as one, otherwise a chip by its UID alone. A text of
    /// another kind than the list has is rejected: the admission would belong to no tag of the person.
    ///
    /// - Parameters:
    ///   - tagID: computes the tag ID of an identity.
    ///   - knows: whether the list has a tag.
    /// - Throws: `Refusal`.
    init(
        _ named: ManualTag, tagID: (TagIdentity) -> TagID, knows: (TagID) -> Bool
    ) throws(Refusal) {
        switch named {
        case .id(let id): tag = id
        case .code(let code):
            tag = tagID(.code(code))
            guard !knows(tag), let uid = Hex.decode(code.text) else { return }
            if knows(tagID(.sun(uid))) || knows(tagID(.uid(uid))) { throw .isUID }
        case .uid(let uid):
            let authentic = tagID(.sun(uid))
            tag = knows(authentic) ? authentic : tagID(.uid(uid))
            guard !knows(tag) else { return }
            let hex = Hex.encode(uid)
            let codes = [hex, hex.uppercased()].compactMap { try? CodeText($0) }
            if codes.contains(where: { knows(tagID(.code($0))) }) { throw .isCode }
            if let problem = ChipUID.problem(uid) { throw .noUID(problem) }
            if let name = ChipUID.blank(uid) { throw .blank(name) }
            guard ChipUID.lengths.contains(uid.count) else { throw .length(uid.count) }
        }
    }

    /// Why a text names no tag.
    enum Refusal: Error, Hashable, CustomStringConvertible {
        case isUID, isCode
        case noUID(ChipUID.Problem)
        /// All bytes are `zeros` or `FF`.
        case blank(String)
        /// In bytes.
        case length(Int)

        var description: String {
            switch self {
            case .isUID: "the list has no such code, but a chip with this UID: name it as a UID"
            case .isCode: "the list has no such UID, but a code of this text: name it as a code"
            case .noUID(let problem): "the UID \(problem)"
            case .blank(let name): "the UID has only \(name): a reader gives it when it has read no chip"
            case .length(let count):
                "a UID has \(ChipUID.text(ChipUID.lengths)) bytes, not \(count), and the list has no such tag"
            }
        }
    }
}
