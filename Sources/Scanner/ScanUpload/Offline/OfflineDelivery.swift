package import AMQP
package import Runtime
import ScanJournal
package import ScanModel

/// Publishes the scans of a folder once: those of a dead device (`ship`), or scans that were confirmed before
/// (`resend`).
package struct OfflineDelivery: Sendable {
    /// The folder to read, and the scans to deliver.
    package enum Kind: Sendable {
        /// The folder of a dead device, read as a copy: the scans that were not confirmed, or all.
        case dead(all: Bool)
        /// A folder that may be in use: all scans from the first one made at this time or later, in milliseconds since
        /// 1970 by the device clock.
        case since(Int64)
    }

    /// The result of a delivery.
    package struct Report: Sendable {
        /// The data folder: what was read, lost or left out.
        package internal(set) var source: SourceReport
        /// Number of scans that the broker has confirmed.
        package internal(set) var scans: Int64 = 0
        /// Number of journals with delivered scans.
        package internal(set) var journals = 0
    }

    private let kind: Kind
    private let folder: String
    private let scanner: ScannerID?
    private let addresses: [AMQPAddress]
    private let confirmLimitMs: Int64

    /// - Parameters:
    ///   - kind: The scans to deliver.
    ///   - folder: A scanner's data folder, or a copy of one.
    ///   - scanner: The scanner whose scans are delivered, or `nil` for the only one with journals in the folder.
    ///   - urls: URLs of the brokers, tried in turn.
    ///   - security: Certificates of the connections.
    ///   - confirmLimitMs: Time without a confirm after which the delivery fails, in milliseconds.
    /// - Throws: `UploadError.invalidBrokerURL` or `insecureBroker`.
    package init(
        _ kind: Kind, folder: String, scanner: ScannerID?, urls: [String], security: AMQPSecurity = AMQPSecurity(),
        confirmLimitMs: Int64
    ) throws(UploadError) {
        self.kind = kind
        self.folder = folder
        self.scanner = scanner
        self.confirmLimitMs = confirmLimitMs
        addresses = try Upload.Settings.addresses(urls, security)
    }

    /// Publishes the scans, and returns when all are confirmed.
    ///
    /// - Throws: `UploadError`; `JournalError.gateIsRunning` for the folder of a dead device; `DataFileError` or
    ///   `SystemError` when a file cannot be read.
    package func run(_ stop: StopSignal) throws -> Report {
        let source: JournalSource
        let choice: JournalSelection.Choice
        switch kind {
        case .dead(let all):
            source = try JournalSource(dead: folder, scanner: scanner)
            choice = all ? .all : .after(source.cursors)
        case .since(let sinceMs):
            source = try JournalSource(live: folder, scanner: scanner)
            choice = .since(sinceMs)
        }
        let plan = try source.plan(choice, scanner: scanner)
        var report = Report(source: SourceReport(plan, source))
        for selection in plan.selections {
            let upload = Upload(selection, addresses, confirmLimitMs: confirmLimitMs)
            let delivered = try upload.deliver(selection, confirmLimitMs: confirmLimitMs, stop)
            report.scans += delivered.scans
            report.source.missing += delivered.missing
            report.journals += selection.parts.count { $0.last > $0.after }
        }
        return report
    }
}

extension OfflineDelivery.Report: Encodable {
    private enum CodingKeys: String, CodingKey { case scans, journals }

    /// Encodes the members of `source` and the numbers of this report as one object.
    package func encode(to encoder: any Encoder) throws {
        try source.encode(to: encoder)
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(scans, forKey: .scans)
        try container.encode(journals, forKey: .journals)
    }

    /// Returns one JSON object on one line, with its keys in alphabetical order.
    package func json() throws -> String { try sortedJSON(self) }

    /// Returns the report as lines of text.
    package func lines() -> [String] {
        ["confirmed  \(scans) scans of \(source.scanner), of \(journals) journals"] + source.lines()
    }
}
