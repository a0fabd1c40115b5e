import Runtime
import ScanBatchCodec
import ScanModel
import ScanUpload

/// A simulated journal, broker and network. They perform the steps of a `PublishWindow` and return events, with faults
/// by one seed.
struct PublishModel {
    /// Probabilities of faults per thousand events.
    struct Faults {
        var cut = 0
        var refuse = 0
        var unroutable = 0
        var missingExchange = 0
        var block = 0
        var connectFails = 0
        /// Confirms arrive in random order.
        var disorder = false
    }

    struct Publish {
        var tag: UInt64
        var journal: Int64
        var first: Int64
        var count: Int
        var log: JournalID
        var isReturned = false
    }

    var random: SeededRandom
    var faults: Faults
    var window: PublishWindow
    var nowMs: Int64 = 0
    var journals: [(log: JournalID, lastSeq: Int64)] = []
    var isUp = false
    var channelIsOpen = false
    var isBlocked = false
    var nextTag: UInt64 = 1
    var unanswered: [Publish] = []
    /// How often the broker has taken each seq, by journal.
    var taken: [Int64: [Int64: Int]] = [:]
    var cursors: [JournalID: Int64] = [:]
    var batches: [Int] = []
    var heartbeats = 0
    /// Violations of the rules.
    var broken: [String] = []

    init(seed: UInt64, faults: Faults = Faults(), limits: PublishWindow.Limits = PublishWindow.Limits()) {
        random = SeededRandom(seed: seed)
        self.faults = faults
        window = PublishWindow(limits, cursors: [:], seed: seed, nowMs: 0)
    }

    mutating func chance(_ perThousand: Int) -> Bool { Int.random(in: 0..<1_000, using: &random) < perThousand }

    /// Adds scans to the newest journal.
    mutating func tap(_ count: Int64) {
        if journals.isEmpty { newJournal() }
        journals[journals.count - 1].lastSeq += count
        journalsChanged()
    }

    mutating func newJournal() {
        journals.append((JournalID(high: UInt64(journals.count + 1), low: 7), 0))
        journalsChanged()
    }

    private mutating func journalsChanged() {
        window.journalsChanged(
            journals.indices.map {
                PublishWindow.Source(
                    number: Int64($0 + 1), journalID: journals[$0].log, lastSeq: journals[$0].lastSeq,
                    isFinished: $0 < journals.count - 1)
            })
    }

    /// Performs one step of the window, and perhaps one event.
    mutating func step(canAnswer: Bool = true) {
        switch window.next(nowMs: nowMs) {
        case .connect:
            if chance(faults.connectFails) { window.connectFailed(nowMs: nowMs) } else { connect() }
        case .openChannel:
            (channelIsOpen, nextTag) = (true, 1)
            window.channelOpened(nowMs: nowMs)
        case .publish(let slice): publish(slice)
        case .heartbeat(let slice):
            heartbeats += 1
            send(slice, count: 0)
        case .abandonConnection: cut()
        case .wait(let ms):
            if ms < 1 { broken.append("a wait of \(ms) ms") }
            // Either the broker answers or time passes.
            if canAnswer, !unanswered.isEmpty, !isBlocked { answer() } else { nowMs += ms }
        }
        if isUp, chance(faults.cut) { cut() }
        if isUp, channelIsOpen, !isBlocked, chance(faults.block) {
            isBlocked = true
            window.blocked()
        } else if isBlocked, chance(300) {
            isBlocked = false
            window.unblocked(nowMs: nowMs)
        }
        for (log, seq) in window.takeAdvances() { advance(log, seq) }
        if window.inFlight > window.limits.windowBatches { broken.append("\(window.inFlight) in flight") }
    }

    private mutating func connect() {
        (isUp, channelIsOpen, isBlocked, nextTag) = (true, true, false, 1)
        window.connected(nowMs: nowMs)
    }

    private mutating func cut() {
        // The broker may have taken batches without a confirm.
        for publish in unanswered where Bool.random(using: &random) { take(publish) }
        unanswered = []
        (isUp, channelIsOpen, isBlocked) = (false, false, false)
        window.connectionLost(nowMs: nowMs)
    }

    private mutating func publish(_ slice: PublishWindow.Slice) {
        let lastSeq = journals[Int(slice.number) - 1].lastSeq
        if slice.limit < 1 || lastSeq - slice.first + 1 < Int64(slice.limit) {
            broken.append("\(slice) of \(lastSeq) scans")
        }
        if slice.first == 1, slice.number > 1, slice.previous?.lastSeq != journals[Int(slice.number) - 2].lastSeq {
            broken.append("the first scans do not name the previous journal")
        }
        // A change of gate or snapshot can end a batch anywhere.
        let count = chance(100) ? Int.random(in: 1...slice.limit, using: &random) : slice.limit
        batches.append(count)
        send(slice, count: count)
    }

    private mutating func send(_ slice: PublishWindow.Slice, count: Int) {
        if !isUp || !channelIsOpen || isBlocked { broken.append("a publish without an open channel") }
        window.published(slice, count: count, bytes: 200 + 15 * count, tag: nextTag, nowMs: nowMs)
        if chance(faults.missingExchange) {
            unanswered = []
            channelIsOpen = false
            return window.channelClosed(nowMs: nowMs)
        }
        unanswered.append(
            Publish(tag: nextTag, journal: slice.number, first: slice.first, count: count, log: slice.journalID))
        nextTag += 1
        if chance(faults.unroutable) {
            unanswered[unanswered.count - 1].isReturned = true
            window.returned(slice.journalID, first: slice.first, nowMs: nowMs)
        }
    }

    private mutating func answer() {
        nowMs += Int64.random(in: 0...50, using: &random)
        if faults.disorder { return answer(one: Int.random(in: unanswered.indices, using: &random)) }
        if chance(faults.refuse) { return answer(one: 0) }
        let count = Int.random(in: 1...unanswered.count, using: &random)
        for publish in unanswered[..<count] { take(publish) }
        let tag = unanswered[count - 1].tag
        unanswered.removeFirst(count)
        window.confirmed(tag: tag, multiple: true, nowMs: nowMs)
    }

    private mutating func answer(one index: Int) {
        let publish = unanswered.remove(at: index)
        if chance(faults.refuse) { return window.refused(tag: publish.tag, multiple: false, nowMs: nowMs) }
        take(publish)
        window.confirmed(tag: publish.tag, multiple: false, nowMs: nowMs)
    }

    private mutating func take(_ publish: Publish) {
        guard !publish.isReturned, publish.count > 0 else { return }
        for seq in publish.first..<(publish.first + Int64(publish.count)) {
            taken[publish.journal, default: [:]][seq, default: 0] += 1
        }
    }

    /// Checks that the broker has all scans up to a cursor, and that no cursor moves back.
    private mutating func advance(_ log: JournalID, _ seq: Int64) {
        let before = cursors[log] ?? 0
        guard seq > before else { return broken.append("a cursor moved from \(before) to \(seq)") }
        guard let index = journals.firstIndex(where: { $0.log == log }) else {
            return broken.append("a cursor of an unknown journal")
        }
        let there = taken[Int64(index + 1)] ?? [:]
        if let missing = ((before + 1)...seq).first(where: { there[$0] == nil }) {
            broken.append("seq \(missing) of journal \(index + 1) is not at the broker, the cursor is \(seq)")
        }
        cursors[log] = seq
    }

    var isDelivered: Bool { journals.allSatisfy { cursors[$0.log] ?? 0 == $0.lastSeq } }
}
