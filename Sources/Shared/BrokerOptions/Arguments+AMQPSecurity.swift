package import AMQP
package import CLI

/// The settings of brokers, for the programs that connect to one. The module `CLI` knows no AMQP, because the other
/// programs do not link its library.
extension Arguments {
    /// Returns the certificates and the permission of `Option.brokerSecurity`.
    ///
    /// - Throws: `ProgramError` (configuration) for a file that does not exist, or a key that others may read.
    package func amqpSecurity() throws -> AMQPSecurity {
        AMQPSecurity(
            authorityFile: try existingFile("amqp-ca-file"), certificateFile: try existingFile("amqp-certificate-file"),
            keyFile: try privateFile("amqp-key-file"), allowsInsecure: has("insecure-amqp"))
    }
}
