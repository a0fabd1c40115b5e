import GateController
import ScanModel

/// The language of what people at the lane read.
package enum DisplayLanguage: String, Sendable, CaseIterable {
    case en, ar
}

/// What the lane says to people: few, short words, in both languages.
enum DisplayWords {
    /// The words that stand in big letters, a line each.
    static func title(_ signal: TapResult, _ language: DisplayLanguage) -> [String] {
        let isOut = signal.direction == .out
        let words: (en: String, ar: String) =
            switch signal.scan.verdict {
            case .admitted where signal.scan.flags.contains(.inspection): ("VALID", "صالح")
            case .admitted, .admittedManually: isOut ? goodbye : ("WELCOME", "أهلاً")
            case .unknownTag: ("NOT KNOWN", "غير معروف")
            case .blocked: ("BLOCKED", "محظور")
            case .noAccess: ("NO ACCESS", "لا دخول هنا")
            case .outsideTime: ("WRONG TIME", "خارج الوقت")
            case .alreadyInside: ("ALREADY INSIDE", "بالداخل")
            case .noSnapshot: ("NO LIST", "لا قائمة")
            case .notAuthentic: ("NOT GENUINE", "غير أصلي")
            case .lost: ("LOST BAND", "سوار مفقود")
            case .void: ("VOID", "ملغى")
            case .annulled: ("TAP AGAIN", "أعد")
            default: ("STOP", "قف")
            }
        return lines(language == .en ? words.en : words.ar)
    }

    private static let goodbye = (en: "GOODBYE", ar: "مع السلامة")

    /// A tap that could not be logged. A way out is open all the same, and its title says so.
    static func failed(opens: Bool, _ language: DisplayLanguage) -> [String] {
        guard opens else { return lines(callStaff(language)) }
        return lines(language == .en ? goodbye.en : goodbye.ar)
    }

    static func callStaff(_ language: DisplayLanguage) -> String { language == .en ? "CALL STAFF" : "نادِ الموظف" }

    /// A line a word: short lines are big ones.
    static func lines(_ words: String) -> [String] { words.split(separator: " ").map(String.init) }

    /// What the crew should know of an answer beyond its title.
    static func remarks(_ signal: TapResult, _ language: DisplayLanguage) -> [String] {
        let flags = signal.scan.flags
        var words: [String] = []
        func add(_ en: String, _ ar: String) { words.append(language == .en ? en : ar) }
        if flags.contains(.reuse) { add("already inside: check", "بالداخل مسبقاً: تحقق") }
        if flags.contains(.operatorOverride) { add("by order of the supervisor", "بأمر المشرف") }
        if flags.contains(.inspection) { add("inspection", "تفتيش") }
        if flags.contains(.clockNotTrusted) { add("clock not trusted", "الساعة غير موثوقة") }
        if flags.contains(.snapshotExpired) { add("list expired", "القائمة منتهية") }
        if let detail = signal.detail { words.append(said(detail, language)) }
        return words
    }

    /// Labels of the idle screen.
    enum Label: CaseIterable {
        case noGate, tapHere, wayIn, wayOut, list, noList, waiting, allSent, readerLost, readerReady, turnstileLost
        case normal, free, closed, inspection, old, days, hours, minutes, expired, notLogged

        func text(_ language: DisplayLanguage) -> String { language == .en ? both.en : both.ar }

        private var both: (en: String, ar: String) {
            switch self {
            case .noGate: ("NO GATE", "لا بوابة")
            case .tapHere: ("TAP", "المس هنا")
            case .wayIn: ("IN", "دخول")
            case .wayOut: ("OUT", "خروج")
            case .list: ("list", "القائمة")
            case .noList: ("no list", "لا قائمة")
            case .waiting: ("scans waiting", "مسح بالانتظار")
            case .allSent: ("all scans sent", "أرسل الكل")
            case .readerLost: ("READER OUT OF ORDER", "القارئ معطل")
            case .readerReady: ("reader ready", "القارئ جاهز")
            case .turnstileLost: ("TURNSTILE OUT OF ORDER", "الباب الدوار معطل")
            case .normal: ("", "")
            case .free: ("LANE OPEN", "المسار مفتوح")
            case .closed: ("LANE CLOSED", "المسار مغلق")
            case .inspection: ("INSPECTION", "تفتيش")
            case .old: ("old", "عمرها")
            case .days: ("d", "ي")
            case .hours: ("h", "س")
            case .minutes: ("min", "د")
            case .expired: ("EXPIRED", "منتهية")
            case .notLogged: ("not logged", "لم يسجل")
            }
        }
    }
}
