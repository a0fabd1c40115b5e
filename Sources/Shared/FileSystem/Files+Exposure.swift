import Glibc

/// The rule for all files with secrets.
extension Files {
    /// A kind of file with a secret, which decides what the group of a file of root may do.
    package enum SecretKind: Sendable {
        /// A password, a token, an event key or a signing key: mode 0440 is permitted for a file of root. systemd passes
        /// credentials in such files: its ACL for the user of the service shows as the right of the group.
        case secret
        /// The private key of a certificate: mode 0640 is permitted for a file of root, as Debian's group `ssl-cert`
        /// needs it. PostgreSQL has this rule.
        case certificateKey

        /// The permission bits of a file of root.
        fileprivate var permitted: UInt32 {
            switch self {
            case .secret: 0o440
            case .certificateKey: 0o640
            }
        }
    }

    /// Returns who else can read or replace a file with a secret, and the command that ends it; `nil` if no other user
    /// can, or if there is no file.
    ///
    /// The file must belong to root or to the user of this process, with no access of other users. Pipes and devices
    /// are not checked, because a shell makes them for one reader.
    ///
    /// - Parameters:
    ///   - path: path of the file.
    ///   - kind: what the file holds.
    package static func exposure(_ path: String, _ kind: SecretKind = .secret) -> String? {
        guard let status = status(path), status.isRegular else { return nil }
        guard status.owner == 0 || status.owner == geteuid() else {
            return "it belongs to user \(status.owner), but must belong to root or to the user of this program: "
                + "chown \(geteuid()) \(path)"
        }
        let isPrivate = status.mode & 0o077 == 0
        if isPrivate || status.owner == 0 && status.mode & ~kind.permitted == 0 { return nil }
        return "other users have access to it (mode 0\(String(status.mode, radix: 8))): chmod 600 \(path)"
    }

    /// Takes the access of all other users from a file that everybody can access.
    ///
    /// The usual umask makes such files. Access of a group alone was given on purpose, and stays.
    ///
    /// - Parameter path: path of the file.
    /// - Returns: whether no other user has access now. `false` also if the file belongs to another user.
    package static func makePrivate(_ path: String) -> Bool {
        guard let status = status(path), status.isRegular, status.owner == geteuid(), status.mode & 0o007 != 0 else {
            return false
        }
        return chmod(path, status.mode & 0o700) == 0
    }
}
