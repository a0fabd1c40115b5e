import GateController
import Runtime
import ScanModel

/// The language of the lane's screen.
package enum DisplayLanguage: String, Sendable, CaseIterable {
    case en, ar
}

/// The words of the screen, few and short, in both languages.
enum DisplayWords {
    /// The words in big letters, one per line.
    static func title(_ result: TapResult, _ language: DisplayLanguage) -> [String] {
        let isOut = result.direction == .out
        let words: (en: String, ar: String) =
            switch result.scan.verdict {
            case .admitted where result.scan.flags.contains(.inspection): ("VALID", "صالح")
            case .admitted, .admittedManually: isOut ? goodbye : ("WELCOME", "أهلاً")
            case .unknownTag: ("NOT KNOWN", "غير معروف")
            case .blocked: ("BLOCKED", "محظور")
            case .noAccess: ("NO ACCESS", "لا دخول هنا")
            case .outsideTime: ("WRONG TIME", "خارج الوقت")
            case .alreadyInside: ("ALREADY INSIDE", "بالداخل")
            case .noSnapshot: ("NO SNAPSHOT", "لا قائمة")
            case .notAuthentic where result.detail?.isUnreadable == true: tryAgain
            case .notAuthentic: ("NOT GENUINE", "غير أصلي")
            case .lost: ("LOST BAND", "سوار مفقود")
            case .void: ("VOID", "ملغى")
            case .annulled: ("TAP AGAIN", "أعد")
            default: ("STOP", "قف")
            }
        return lines(language == .en ? words.en : words.ar)
    }

    private static let goodbye = (en: "GOODBYE", ar: "مع السلامة")
    private static let tryAgain = (en: "TRY AGAIN", ar: "أعد")

    /// The title of a read that was dropped.
    static func dropped(_ language: DisplayLanguage) -> [String] {
        lines(language == .en ? tryAgain.en : tryAgain.ar)
    }

    /// What happened to a read that was dropped, and what to do.
    static func couldNotBeRead(_ language: DisplayLanguage) -> String {
        language == .en ? "could not be read, try again" : "تعذرت القراءة، حاول مرة أخرى"
    }

    /// The title of a tap that could not be journaled. An exit opens anyway; its title is GOODBYE.
    static func failed(opens: Bool, _ language: DisplayLanguage) -> [String] {
        guard opens else { return lines(callStaff(language)) }
        return lines(language == .en ? goodbye.en : goodbye.ar)
    }

    static func callStaff(_ language: DisplayLanguage) -> String { language == .en ? "CALL STAFF" : "نادِ الموظف" }

    /// Splits a text into one line per word, because short lines are drawn bigger.
    static func lines(_ words: String) -> [String] { words.split(separator: " ").map(String.init) }

    /// Remarks below the title of a verdict.
    static func remarks(_ result: TapResult, _ language: DisplayLanguage) -> [String] {
        let flags = result.scan.flags
        var words: [String] = []
        func add(_ en: String, _ ar: String) { words.append(language == .en ? en : ar) }
        if let earlier = result.earlier {
            let clock = earlier.atMs.map { LocalTime.clock($0 / 1_000) }
            let en = [clock.map { "since \($0)" }, earlier.gate.map { "at \($0)" }]
            let ar = [clock.map { "منذ \($0)" }, earlier.gate.map { "عند \($0)" }]
            add(en.compactMap(\.self).joined(separator: " "), ar.compactMap(\.self).joined(separator: " "))
        }
        if flags.contains(.reuse) { add("already inside: check", "بالداخل مسبقاً: تحقق") }
        if flags.contains(.operatorOverride) { add("operator override", "بأمر المشرف") }
        if flags.contains(.inspection) { add("inspection", "تفتيش") }
        if flags.contains(.clockNotTrusted) { add("clock not trusted", "الساعة غير موثوقة") }
        if flags.contains(.snapshotExpired) { add("snapshot expired", "القائمة منتهية") }
        if result.detail?.isUnreadable == true { words.append(couldNotBeRead(language)) }
        if let detail = result.detail { words.append(detail.text(language)) }
        return words
    }

    /// Labels of the idle screen.
    enum Label: CaseIterable {
        case noGate, wayIn, wayOut, snapshot, noSnapshot, waiting, allUploaded, readerLost, readerReady, turnstileLost
        case free, closed, inspection, old, days, hours, minutes, expired, notJournaled

        func text(_ language: DisplayLanguage) -> String { language == .en ? both.en : both.ar }

        private var both: (en: String, ar: String) {
            switch self {
            case .noGate: ("NO GATE", "لا بوابة")
            case .wayIn: ("IN", "دخول")
            case .wayOut: ("OUT", "خروج")
            case .snapshot: ("snapshot", "القائمة")
            case .noSnapshot: ("no snapshot", "لا قائمة")
            case .waiting: ("scans waiting", "مسح بالانتظار")
            case .allUploaded: ("all scans uploaded", "أرسل الكل")
            case .readerLost: ("READER OUT OF ORDER", "القارئ معطل")
            case .readerReady: ("reader ready", "القارئ جاهز")
            case .turnstileLost: ("TURNSTILE OUT OF ORDER", "الباب الدوار معطل")
            case .free: ("LANE OPEN", "المسار مفتوح")
            case .closed: ("LANE CLOSED", "المسار مغلق")
            case .inspection: ("INSPECTION", "تفتيش")
            case .old: ("old", "عمرها")
            case .days: ("d", "ي")
            case .hours: ("h", "س")
            case .minutes: ("min", "د")
            case .expired: ("EXPIRED", "منتهية")
            case .notJournaled: ("not journaled", "لم يسجل")
            }
        }
    }
}
