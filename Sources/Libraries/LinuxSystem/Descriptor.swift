import Glibc

/// Operations on open file descriptors.
package enum Descriptor {
    /// Writes all bytes with write(2), restarted after signals. Blocks on a blocking descriptor.
    ///
    /// - Parameters:
    ///   - bytes: the bytes.
    ///   - descriptor: an open descriptor.
    ///   - operation: the operation and its object, for the error.
    /// - Throws: `SystemError`; a part of the bytes may have been written.
    package static func writeAll(
        _ bytes: UnsafeRawBufferPointer, to descriptor: Int32, operation: @autoclosure () -> String
    ) throws(SystemError) {
        var rest = bytes
        while !rest.isEmpty {
            let count = write(descriptor, rest.baseAddress!, rest.count)
            if count >= 0 {
                rest = UnsafeRawBufferPointer(rebasing: rest[count...])
            } else if errno != EINTR {
                throw SystemError(operation())
            }
        }
    }
}
