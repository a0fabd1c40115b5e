import AccessControl
import DataFolder
import GateController
import Runtime
import ScanModel
import Snapshots

extension DisplayLayout {
    /// The verdict of a tap. Colour, shape and words have the same meaning.
    func verdict(_ result: TapResult) -> DisplayScreen {
        let colour: DisplayScreen.Colour =
            result.isGreen ? .green : result.scan.verdict == .annulled ? .amber : .red
        var bottom: [DisplayScreen.Row] = []
        if let pass = result.pass {
            if let name = pass.name { bottom += bar(name, DisplayScreen.Colour(pass: pass.colour)) }
            if let note = pass.note { bottom += bar(note, .amber) }
        }
        for remark in DisplayWords.remarks(result, language) { bottom.append(line(remark, colour)) }
        if let zone = result.zone { bottom.append(line(zone, colour)) }
        let shape: DisplayShape = result.isGreen ? .check : result.scan.verdict == .annulled ? .warning : .cross
        return screen(shape, DisplayWords.title(result, language), bottom: bottom, colour)
    }

    /// A tap that could not be journaled.
    ///
    /// - Parameter opens: `true` for an exit: the person sees an open gate, and a bar calls the crew.
    func failed(_ failure: TapFailure, opens: Bool = false) -> DisplayScreen {
        let title = DisplayWords.failed(opens: opens, language)
        let words = failure.text(language)
        guard opens else { return screen(.warning, title, bottom: [line(words, .red)], .red) }
        let bottom = bar(DisplayWords.callStaff(language), .amber)
        let label = DisplayWords.Label.notJournaled.text(language)
        return screen(.check, title, bottom: bottom + [line("\(label): \(words)", .amber)], .green)
    }

    /// A read that was dropped: the person must try again.
    func dropped(_ reason: DroppedRead) -> DisplayScreen {
        let bottom = [line(DisplayWords.couldNotBeRead(language), .amber), line(reason.text(language), .amber)]
        return screen(.warning, DisplayWords.dropped(language), bottom: bottom, .amber)
    }

    /// Between taps.
    func idle(_ state: LaneState, nowS: Int64) -> DisplayScreen {
        func word(_ label: DisplayWords.Label) -> String { label.text(language) }
        let top = [line(state.scanner, LocalTime.clock(nowS), .grey)]
        var bottom: [DisplayScreen.Row] = []
        let lost = state.readers.filter { $0.problem != nil }
        for reader in lost {
            let cause = reader.problem?.text(language) ?? ""
            bottom.append(line("\(word(.readerLost)): \(reader.name): \(cause)", .amber))
        }
        if let problem = state.turnstileProblem {
            bottom.append(line("\(word(.turnstileLost)): \(problem.text(language))", .amber))
        }
        bottom += state.alarms.map { line($0.text(language), .amber) }
        if let zone = state.zone, zone != state.gate { bottom.append(line(zone, .black)) }
        let waiting = state.backlog.map { $0 == 0 ? word(.allUploaded) : "\($0) \(word(.waiting))" } ?? ""
        bottom.append(line(age(state, nowS), waiting, isStale(state, nowS) ? .amber : .grey))
        if lost.isEmpty && !state.readers.isEmpty { bottom.append(line(word(.readerReady), .grey)) }

        if !state.readers.isEmpty && lost.count == state.readers.count {
            let words = language == .en ? ["READER", "OUT OF", "ORDER"] : DisplayWords.lines(word(.readerLost))
            return screen(.warning, words, top: top, bottom: bottom, .amber)
        }
        guard let gate = state.gate else {
            return screen(.warning, words(.noGate), top: top, bottom: bottom, .amber)
        }
        switch state.mode {
        case .closed:
            return screen(.cross, words(.closed), top: top, bottom: [line(gate, .red)] + bottom, .red)
        case .free:
            return screen(.check, words(.free), top: top, bottom: [line(gate, .green)] + bottom, .green)
        case .normal:
            if state.isInspection { bottom.insert(line(word(.inspection), .purple), at: 0) }
            let ways = Set(state.readers.map(\.direction))
            let way = [Direction.in, .out].filter { ways.contains($0) }
                .map { word($0 == .in ? .wayIn : .wayOut) }
            let names = DisplayScreen.safe(gate).split(separator: " ").map(String.init)
            let big = names.count <= 2 ? names : [names.joined(separator: " ")]
            let direction = way.isEmpty ? [] : bar(way.joined(separator: language == .en ? " / " : " "), .blue)
            return screen(nil, big, top: top, bottom: direction + bottom, .black)
        }
    }

    private func words(_ label: DisplayWords.Label) -> [String] { DisplayWords.lines(label.text(language)) }

    private func isStale(_ state: LaneState, _ nowS: Int64) -> Bool {
        state.snapshot == 0 || state.snapshotExpiresS.map { $0 <= nowS } ?? false
    }

    /// The version and age of the snapshot. A clock before its creation shows no age.
    private func age(_ state: LaneState, _ nowS: Int64) -> String {
        func word(_ label: DisplayWords.Label) -> String { label.text(language) }
        guard state.snapshot != 0 else { return word(.noSnapshot) }
        var text = "\(word(.snapshot)) \(state.snapshot)"
        if let created = state.snapshotCreatedS, nowS >= created {
            let minutes = (nowS - created) / 60
            let (days, hours) = (minutes / 1_440, minutes / 60 % 24)
            let length =
                days > 0
                ? "\(days) \(word(.days)) \(hours) \(word(.hours))"
                : hours > 0
                    ? "\(hours) \(word(.hours)) \(minutes % 60) \(word(.minutes))" : "\(minutes) \(word(.minutes))"
            text += language == .en ? ", \(length) \(word(.old))" : "، \(word(.old)) \(length)"
        }
        if let expires = state.snapshotExpiresS, expires <= nowS { text += " " + word(.expired) }
        return text
    }
}

extension DisplayScreen.Colour {
    /// The colour of the screen that is nearest to a pass's colour: a word or `#rrggbb`.
    init(pass colour: String?) {
        let text = (colour ?? "").lowercased()
        let named: [String: DisplayScreen.Colour] = [
            "black": .black, "green": .green, "red": .red, "amber": .amber, "yellow": .amber, "gold": .amber,
            "orange": .amber, "blue": .blue, "purple": .purple, "violet": .purple, "white": .white, "silver": .white,
            "grey": .grey, "gray": .grey,
        ]
        if let known = named[text] {
            self = known
            return
        }
        guard text.hasPrefix("#"), text.utf8.count == 7, let value = Int(text.dropFirst(), radix: 16) else {
            self = .white
            return
        }
        let parts = (value >> 16 & 255, value >> 8 & 255, value & 255)
        let palette: [(DisplayScreen.Colour, (Int, Int, Int))] = [
            (.black, (0, 0, 0)), (.green, (0, 135, 0)), (.red, (215, 0, 0)), (.amber, (255, 175, 0)),
            (.blue, (0, 0, 175)), (.purple, (135, 0, 135)), (.white, (255, 255, 255)), (.grey, (88, 88, 88)),
        ]
        func distance(_ other: (Int, Int, Int)) -> Int {
            let (r, g, b) = (parts.0 - other.0, parts.1 - other.1, parts.2 - other.2)
            return r * r + g * g + b * b
        }
        self = palette.min { distance($0.1) < distance($1.1) }?.0 ?? .white
    }
}
