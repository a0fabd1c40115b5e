import LinuxSystem
import NFC
import ScanModel

extension ReaderProblem {
    /// Classifies an error of a reader's driver or port.
    init(_ error: any Error) {
        switch error {
        case let error as ReaderError: self = error.problem
        case let error as SystemError: self = .system(error)
        case let error as NFCError where error.fault != .other:
            self = .driver(DriverFault(error.fault), operation: error.operation, cause: error.cause)
        default: self = .other("\(error)")
        }
    }
}

extension ReaderProblem.DriverFault {
    fileprivate init(_ fault: NFCError.Fault) {
        switch fault {
        case .inputOutput: self = .inputOutput
        case .noSuchReader: self = .noSuchReader
        case .timeout: self = .timeout
        case .aborted: self = .closedByWatchdog
        case .notSupported: self = .notSupported
        case .insideReader: self = .insideReader
        case .radio: self = .radio
        case .other: self = .other
        }
    }
}
