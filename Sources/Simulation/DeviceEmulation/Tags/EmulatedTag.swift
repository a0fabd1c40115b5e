/// A tag in a reader's field (ISO/IEC 14443 type A).
package struct EmulatedTag: Sendable {
    /// 4, 7 or 10 bytes. A UID of four bytes that starts with 08 is a random one.
    package let uid: [UInt8]
    /// SENS_RES, in the byte order of the PN532.
    package var sensRes: [UInt8]
    /// SEL_RES; bit 5 stands for ISO-DEP.
    package var selRes: UInt8
    /// The answer to RATS, with its length byte; empty for a tag without ISO-DEP.
    package var ats: [UInt8] = []
    /// Answers APDUs; `nil` for a tag without ISO-DEP.
    var application: Type4Application?
    /// Number of exchanges until the tag leaves the field; `nil` if it stays.
    package var leavesAfter: Int?

    /// A chip known only by its UID: it identifies as MIFARE Classic with 4 bytes, and as NTAG with 7 bytes.
    package static func plain(_ uid: [UInt8]) -> EmulatedTag {
        precondition([4, 7, 10].contains(uid.count), "a UID has 4, 7 or 10 bytes")
        switch uid.count {
        case 4: return EmulatedTag(uid: uid, sensRes: [0x00, 0x04], selRes: 0x08)
        case 7: return EmulatedTag(uid: uid, sensRes: [0x00, 0x44], selRes: 0x00)
        default: return EmulatedTag(uid: uid, sensRes: [0x00, 0x84], selRes: 0x08)
        }
    }

    /// An ISO-DEP tag that identifies as an NTAG 424 DNA.
    package static func type4(_ uid: [UInt8], _ application: Type4Application) -> EmulatedTag {
        precondition([4, 7, 10].contains(uid.count), "a UID has 4, 7 or 10 bytes")
        var tag = EmulatedTag(uid: uid, sensRes: [0x03, uid.count == 4 ? 0x04 : 0x44], selRes: 0x20)
        tag.ats = [0x06, 0x77, 0x77, 0x71, 0x02, 0x80]
        tag.application = application
        return tag
    }

    /// An NTAG 424 DNA that signs its messages.
    ///
    /// - Parameter uid: the UID that it shows; `nil` for its real one. Such a chip can be set to show a random UID.
    package static func sun(_ chip: SunChip, showing uid: [UInt8]? = nil) -> EmulatedTag {
        .type4(uid ?? chip.uid, Type4Application(sun: chip))
    }

    /// The signing chip with its present counter; `nil` for a tag that does not sign.
    package var sun: SunChip? { application?.sun }

    private init(uid: [UInt8], sensRes: [UInt8], selRes: UInt8) {
        (self.uid, self.sensRes, self.selRes) = (uid, sensRes, selRes)
    }

    var isISODEP: Bool { selRes & 0x20 != 0 }

    /// The target data that a PN532 reports: number, SENS_RES, SEL_RES, UID, ATS.
    func report(number: UInt8) -> [UInt8] {
        [number] + sensRes + [selRes, UInt8(uid.count)] + uid + (isISODEP ? ats : [])
    }

    /// Starts a new session, because a reader has selected the tag.
    mutating func select() { application?.reset() }

    /// The answer to an exchange in the protocol of the tag; `nil` for none.
    mutating func exchange(_ data: [UInt8]) -> [UInt8]? {
        guard countExchange() else { return nil }
        if application != nil { return application?.respond(to: data) }
        return read(data)
    }

    /// The answer to raw bytes; `nil` for none. libnfc sends such bytes to check whether a tag is still present.
    mutating func exchangeRaw(_ data: [UInt8]) -> [UInt8]? {
        guard countExchange() else { return nil }
        guard isISODEP else { return read(data) }
        // The answer to R(NAK) is R(ACK) with the same block number, the answer to S(DESELECT) is S(DESELECT).
        switch data.first {
        case .some(let block) where block & 0xf6 == 0xb2: return [0xa2 | block & 0x01]
        case 0xc2: return [0xc2]
        default: return nil
        }
    }

    /// READ of a type 2 tag: returns four blocks of four bytes. The first three blocks hold the UID.
    private func read(_ data: [UInt8]) -> [UInt8]? {
        guard data.count == 2, data[0] == 0x30, uid.count == 7 else { return nil }
        let blocks: [UInt8] =
            Array(uid[..<3]) + [0x88 ^ uid[0] ^ uid[1] ^ uid[2]] + Array(uid[3...])
            + [uid[3] ^ uid[4] ^ uid[5] ^ uid[6], 0x48, 0x00, 0x00, 0xe1, 0x10, 0x12, 0x00]
        return (0..<16).map { offset in
            let at = Int(data[1]) * 4 + offset
            return at < blocks.count ? blocks[at] : 0
        }
    }

    /// Counts an exchange. Returns `false` if the tag has left.
    private mutating func countExchange() -> Bool {
        guard let left = leavesAfter else { return true }
        guard left > 0 else { return false }
        leavesAfter = left - 1
        return true
    }

    /// Whether the tag has left the field after `leavesAfter` exchanges.
    var hasLeft: Bool { leavesAfter == 0 }
}
