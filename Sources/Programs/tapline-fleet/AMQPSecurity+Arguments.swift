import AMQP
import CLI

extension Arguments {
    /// Returns the certificates and the permission of `Option.brokerSecurity`.
    ///
    /// - Throws: `ProgramError` (configuration) for a file that does not exist, or a key that others may read.
    func amqpSecurity() throws -> AMQPSecurity {
        AMQPSecurity(
            authorityFile: try existingFile("amqp-ca-file"), certificateFile: try existingFile("amqp-certificate-file"),
            keyFile: try privateFile("amqp-key-file"), allowsInsecure: has("insecure-amqp"))
    }
}
