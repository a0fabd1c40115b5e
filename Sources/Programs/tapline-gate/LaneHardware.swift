import CLI
import GateController
import LaneDisplay
import Runtime
import TurnstileControl

/// The hardware of a lane besides its readers: turnstile, passage sensor and display.
struct LaneHardware: Sendable {
    enum Display: String, CaseIterable { case none, terminal, json }

    static let options = [
        Option(
            "turnstile", "none|serial:PATH[,open=1][,green=N][,red=N][,buzzer=N][,pulse=300]",
            "relay board at PATH and the use of its channels; pulse in milliseconds, 100 to 1000", default: "none"),
        Option("passage", "serial:PATH", "passage sensor; an admission without a passage in time is annulled"),
        Option(
            "passage-ms", "MS", "time limit for a passage, in milliseconds, 1000 to 60000",
            default: "\(Lane.Settings.defaultPassageMs)"),
        Option(
            "display", "none|terminal|json",
            "terminal: full screen; json: one object per line for a kiosk; both replace --output",
            default: "none"),
        Option("language", "en|ar", "language of the terminal display", default: DisplayLanguage.en.rawValue),
    ]

    let display: Display
    let passageMs: Int64?
    private let language: DisplayLanguage
    private let turnstile: TurnstileSettings?
    private let passage: String?

    /// - Throws: `ProgramError` (configuration).
    init(_ arguments: Arguments) throws {
        display = try arguments.choice("display", Display.self) ?? .none
        language = try arguments.choice("language", DisplayLanguage.self) ?? .en
        let turnstileText = try arguments.required("turnstile")
        do { turnstile = try TurnstileSettings.parse(turnstileText) } catch {
            throw ProgramError.configuration("--turnstile \(error)")
        }
        let limitMs = try arguments.int("passage-ms", 1_000...60_000) ?? Lane.Settings.defaultPassageMs
        passage = try arguments["passage"].map { text in
            guard text.hasPrefix("serial:"), text != "serial:" else {
                throw ProgramError.configuration("--passage \(text): serial:PATH is needed")
            }
            return String(text.dropFirst("serial:".count))
        }
        passageMs = passage == nil ? nil : Int64(limitMs)
    }

    var hasTurnstile: Bool { turnstile != nil }

    /// Makes the services, in the order of their start, and the function that sends them the lane's updates.
    func make(_ inbox: LaneInbox) -> (services: [Service], notify: @Sendable (LaneUpdate) -> Void) {
        var services: [Service] = []
        var receivers: [@Sendable (LaneUpdate) -> Void] = []
        // The states of the parts, and passages, are never dropped.
        let post: @Sendable (LaneEvent) -> Void = { inbox.send(TimestampedEvent($0)) }
        if let turnstile {
            let part = Turnstile(turnstile, report: post)
            services.append(part.service())
            receivers.append { part.receive($0) }
        }
        if let passage { services.append(PassageSensor(path: passage, report: post).service()) }
        switch display {
        case .none: break
        case .terminal:
            let part = TerminalDisplay(language: language)
            services.append(part.service())
            receivers.append { part.receive($0) }
        case .json:
            let part = KioskDisplay()
            services.append(part.service())
            receivers.append { part.receive($0) }
        }
        return (services, { [receivers] update in for receive in receivers { receive(update) } })
    }
}
