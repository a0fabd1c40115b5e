import AccessControl
import Runtime
import ScanJournal
import ScanModel
import Snapshots

/// The gate chief's hands.
extension Lane {
    /// What was ordered before the start.
    func readOrders() {
        do { orders = try PersistedCommands.read(folder: settings.folder) } catch {
            ordersProblem = "standing orders cannot be read"
            log.error("standing orders cannot be read: mode normal, the gate as set", [.error: "\(error)"])
        }
    }

    /// Carries on with the mode that was ordered before the start.
    func carryOn() {
        // Also back to normal, where the power went before it was logged.
        if orders.mode != (loggedMode ?? .normal) || orders.mode != .normal { logEvent(orders.mode.verdict) }
        if orders.mode != .normal { log.warning("the lane is not in its normal mode", [.state: orders.mode.rawValue]) }
    }

    func obey(_ order: LaneCommand) -> CommandResult {
        wake()
        switch order {
        case .admit(let uid?, let reason): return admit(uid, reason)
        case .admit(nil, let reason): return admitWithoutBand(reason)
        case .mode(let mode): return set(mode)
        case .assign(let gate): return assign(gate)
        }
    }

    private func admit(_ uid: [UInt8], _ reason: String) -> CommandResult {
        let tag = tag(ofBand: uid)
        let atMs = time.nowMs()
        let tap = Tap(.uid(uid), proof: .uid, direction: .in)
        trustClock(nowMs: atMs)
        var found = decide(tag, tap, atMs, isReplayed: false)
        found.decision = Decision(
            verdict: .admitted, flags: found.decision.flags.union(.operatorOverride).subtracting(.reuse))
        let entry = Journal.Entry(
            atMs: atMs, tag: tag, verdict: .admitted, flags: found.decision.flags, gate: choice.gate?.id,
            snapshot: snapshot?.version ?? 0)
        annulEarlier(tag)
        do {
            let (id, scan) = try append(entry, reason: reason)
            log.warning("admitted by hand", [.reason: reason, .journal: id, .seq: scan.seq])
            note(id, scan, found.attendee, nil)
            let signal = TapResult(
                log: id, scan: scan, zone: zoneName(.in), pass: found.pass, detail: "by hand",
                opens: !settings.isInspection)
            if signal.opens { expectPassage(id, scan) }
            show(signal)
            return .done("admitted, journal \(id), seq \(scan.seq)")
        } catch {
            tellUnlogged(tag, error)
            return .refused("it could not be logged: \(error)")
        }
    }

    /// The tag ID of the chip with this UID: as one that proves itself where the list knows it so, else as a plain one.
    private func tag(ofBand uid: [UInt8]) -> TagID {
        let authentic = settings.key.tagID(of: .sun(uid))
        let isKnown = (try? snapshot?.attendee(authentic)) ?? nil
        return isKnown == nil ? settings.key.tagID(of: .uid(uid)) : authentic
    }

    private func admitWithoutBand(_ reason: String) -> CommandResult {
        let flags: Flags = settings.isInspection ? [.operatorOverride, .inspection] : .operatorOverride
        guard let (id, scan) = logEvent(.admittedManually, flags: flags, reason: reason) else {
            notify(.failed(reason: "an admission by hand could not be logged"))
            return .refused("it could not be logged")
        }
        log.warning("admitted by hand without a band", [.reason: reason, .journal: id, .seq: scan.seq])
        notify(
            .answer(
                TapResult(
                    log: id, scan: scan, zone: zoneName(.in), pass: nil, detail: "by hand",
                    opens: !settings.isInspection)))
        if !settings.isInspection { expectPassage(id, scan) }
        return .done("admitted, journal \(id), seq \(scan.seq)")
    }

    /// The lane obeys at once. An order that could not be made durable or logged is obeyed all the same, and says so: when the
    /// crowd presses, a full disk keeps no gate shut.
    private func set(_ mode: LaneMode) -> CommandResult {
        guard mode != orders.mode else { return .done("mode \(mode.rawValue) already") }
        orders.mode = mode
        debounce.clear()
        // The turnstile first, the disk after it.
        look()
        let problems = [keepOrders(), logEvent(mode.verdict) == nil ? "it could not be logged" : nil].compactMap(\.self)
        log.warning("mode ordered", [.state: mode.rawValue])
        look()
        return .done((["mode \(mode.rawValue)"] + problems).joined(separator: "; "))
    }

    private func assign(_ gate: String?) -> CommandResult {
        if let gate, let snapshot, !snapshot.gates.values.contains(where: { $0.name == gate }) {
            return .refused("the snapshot has no gate named \(gate)")
        }
        orders.assigned = gate
        let problem = keepOrders()
        chooseAnew()
        debounce.clear()
        log.warning("gate assigned", [.gate: gate ?? "default"])
        look()
        let answer = choice.gate.map { "the gate is now \($0.name)" } ?? "assigned, but there is no gate yet"
        return .done([answer, problem].compactMap(\.self).joined(separator: "; "))
    }

    /// Nil, or what is wrong.
    private func keepOrders() -> String? {
        do {
            try orders.write(folder: settings.folder)
            ordersProblem = nil
        } catch {
            ordersProblem = "orders do not survive a restart"
            log.error("orders could not be kept", [.error: "\(error)"])
        }
        return ordersProblem
    }
}

extension LaneMode {
    /// The lane event that says so.
    var verdict: Verdict {
        switch self {
        case .normal: .laneNormal
        case .free: .laneFree
        case .closed: .laneClosed
        }
    }
}
