import Crypto

extension SecureMessage {
    /// The parameters of a secure message in a URI.
    enum Finding: Hashable, Sendable {
        case message(SecureMessage)
        /// Parameters of a secure message with invalid lengths or digits. It cannot verify.
        case malformed

        /// Returns `nil` for a URI without such parameters.
        init?(uri: [UInt8]) {
            let parameters = SecureMessage.parameters(of: uri)
            guard let found = SecureMessage.finding(parameters, uri) else { return nil }
            self = found
        }
    }

    /// A `name=value` pair of the query, as positions in the URI.
    struct Parameter {
        let name: String
        let value: Range<Int>
    }

    private static let encryptedNames = ["picc_data", "picc", "e", "p", "d"]
    private static let fileDataNames = ["enc", "e", "f"]
    private static let macNames = ["cmac", "mac", "c", "m"]
    private static let piccDigits = 2 * AES128.length
    private static let macDigits = 2 * macLength
    /// Maximum number of parameters that are read. A secure message has three.
    private static let parameterLimit = 16

    static func parameters(of uri: [UInt8]) -> [Parameter] {
        guard let mark = uri.firstIndex(of: UInt8(ascii: "?")) else { return [] }
        let end = uri[mark...].firstIndex(of: UInt8(ascii: "#")) ?? uri.count
        var parameters: [Parameter] = []
        for piece in uri[(mark + 1)..<end].split(separator: UInt8(ascii: "&"), maxSplits: parameterLimit) {
            guard parameters.count < parameterLimit, let equals = piece.firstIndex(of: UInt8(ascii: "=")) else {
                continue
            }
            let name = String(decoding: piece[..<equals], as: UTF8.self).lowercased()
            parameters.append(Parameter(name: name, value: (equals + 1)..<piece.endIndex))
        }
        return parameters
    }

    private static func finding(_ parameters: [Parameter], _ uri: [UInt8]) -> Finding? {
        func first(_ names: [String], but other: Parameter? = nil) -> Parameter? {
            for name in names {
                if let found = parameters.first(where: { $0.name == name && $0.value != other?.value }) { return found }
            }
            return nil
        }
        let mac = first(macNames)
        let encrypted = first(encryptedNames)
        if let mac {
            let file = first(fileDataNames, but: encrypted)
            if let uid = first(["uid"]), let counter = first(["ctr"]), encrypted == nil || encrypted?.name == "e" {
                let file = file ?? encrypted
                return message(.plain(uid.value, counter.value), file: file?.value, mac: mac.value, uri)
            }
            guard let encrypted else { return nil }
            return message(.encrypted(encrypted.value), file: file?.value, mac: mac.value, uri)
        }
        // One parameter with PICC data, optional file data and MAC.
        guard let encrypted, encrypted.value.count >= piccDigits + macDigits else { return nil }
        let range = encrypted.value
        let (picc, tail) = (range.lowerBound + piccDigits, range.upperBound - macDigits)
        return message(
            .encrypted(range.lowerBound..<picc), file: picc < tail ? picc..<tail : nil, mac: tail..<range.upperBound,
            uri)
    }

    private enum Place {
        case encrypted(Range<Int>)
        case plain(Range<Int>, Range<Int>)
    }

    private static func message(
        _ place: Place, file: Range<Int>?, mac: Range<Int>, _ uri: [UInt8]
    ) -> Finding {
        func bytes(_ range: Range<Int>) -> [UInt8]? { Hex.decode(String(decoding: uri[range], as: UTF8.self)) }
        let identity: Identity
        switch place {
        case .encrypted(let range):
            guard let picc = bytes(range), picc.count == AES128.length else { return .malformed }
            identity = .encrypted(picc)
        case .plain(let uid, let counter):
            guard let uid = bytes(uid), uid.count == uidLength, let counter = bytes(counter), counter.count == 3 else {
                return .malformed
            }
            // A plain counter is big-endian.
            identity = .plain(uid: uid, counter: counter.reduce(0) { $0 << 8 | Int64($1) })
        }
        guard let macBytes = bytes(mac), macBytes.count == macLength else { return .malformed }
        var fileData: [UInt8] = []
        var macInput: [UInt8] = []
        if let file {
            guard let data = bytes(file), data.count.isMultiple(of: AES128.length), data.count <= fileDataLimitBytes,
                file.upperBound <= mac.lowerBound
            else { return .malformed }
            fileData = data
            if !data.isEmpty { macInput = Array(uri[file.lowerBound..<mac.lowerBound]) }
        }
        return .message(SecureMessage(identity: identity, fileData: fileData, macInput: macInput, mac: macBytes))
    }
}
