import DataFolder
import GateController
import Glibc
import LinuxSystem
import ScanJournal
import ScanModel

// The texts of alarms and problems in the language of the screen. English is each type's own description.

/// A text of the screen in both languages. English is the description.
protocol ScreenText: CustomStringConvertible {
    var arabic: String { get }
}

extension ScreenText {
    func text(_ language: DisplayLanguage) -> String {
        switch language {
        case .en: description
        case .ar: arabic
        }
    }
}

extension Alarm: ScreenText {
    var arabic: String {
        switch self {
        case .tapsNotJournaled: "لا يمكن تسجيل المرور"
        case .noSnapshot: "لا توجد قائمة"
        case .noGate: "لا توجد بوابة"
        case .snapshotOfOtherKey: "القائمة الجديدة لمفتاح آخر ولا تستعمل"
        case .snapshotUnreadable: "لا يمكن قراءة القائمة"
        case .olderSnapshotInUse: "تعمل قائمة أقدم"
        case .snapshotExpired: "القائمة منتهية"
        case .diskFull(let percent): "القرص ممتلئ بنسبة \(percent) %"
        case .clockNotTrusted: "الساعة غير موثوقة"
        case .passageSensorFailed: "حساس المرور معطل"
        case .damagedJournals(let count): "سجلات تالفة: \(count)، يجب استرجاعها"
        case .commandsUnreadable: "لا يمكن قراءة الأوامر المحفوظة"
        case .commandsNotPersisted: "الأوامر لا تحفظ بعد إعادة التشغيل"
        case .controlSocketFailed: "لا يمكن استقبال الأوامر"
        case .journalMaintenanceFailed(let fault): "لا يمكن ترتيب السجل: \(fault.text(.ar))"
        case .journal(.walNotPreallocated(let fault)): "لا مساحة لملف السجل: \(fault.text(.ar))"
        case .journal(.reserveInUse(let remaining, let total)):
            "القرص ممتلئ: بقي من الاحتياطي \(remaining) من \(total)"
        }
    }
}

extension TapDetail: ScreenText {
    var arabic: String {
        switch self {
        case .unreadable(let reason): reason.arabic
        case .forgedMessage: "الرسالة غير صحيحة"
        case .replayedMessage: "الرسالة مستخدمة من قبل"
        case .uidNotSufficient: "الرقم وحده لا يكفي هنا"
        case .laneOpen: "المسار مفتوح"
        case .laneClosed: "المسار مغلق"
        case .manualAdmission: "يدوياً"
        }
    }
}

extension DroppedRead: ScreenText {
    var arabic: String {
        switch self {
        case .noise: "تشويش"
        case .tooLong: "أطول من المسموح"
        case .incomplete: "غير مكتمل"
        case .chipLeft: "ابتعدت الشريحة مبكراً"
        case .randomUID: "رقم عشوائي"
        case .partialUID: "جزء من الرقم"
        case .notATap: "ليس رقماً"
        }
    }
}

extension TapFailure {
    func text(_ language: DisplayLanguage) -> String {
        switch (self, language) {
        case (_, .en): description
        case (.notJournaled(let fault), .ar): fault.text(.ar)
        case (.manualAdmissionNotJournaled, .ar): "لا يمكن تسجيل الدخول اليدوي"
        }
    }
}

extension StorageFault {
    func text(_ language: DisplayLanguage) -> String {
        switch (self, language) {
        case (_, .en): description
        case (.diskFull(let path, _), .ar): "\(path): القرص ممتلئ"
        case (.system(let error), .ar): error.arabic
        case (.other(let text), .ar): text
        }
    }
}

extension ReaderProblem: ScreenText {
    var arabic: String {
        switch self {
        case .notResponding: "القارئ لا يستجيب"
        case .notFound: "لم يعثر على قارئ"
        case .ambiguous(let count, let example): "عدد القارئات \(count): حدد واحداً، مثل nfc:\(example)"
        case .driver(let fault, let operation, let cause): "\(operation): \(fault.arabic ?? cause)"
        case .system(let error): error.arabic
        case .other(let text): text
        }
    }
}

extension ReaderProblem.DriverFault {
    /// `nil` if only the driver's text states the cause.
    fileprivate var arabic: String? {
        switch self {
        case .inputOutput: "خطأ في الاتصال"
        case .noSuchReader: "القارئ غير موجود"
        case .timeout: "لا رد في الوقت"
        case .closedByWatchdog: "أوقفه المراقب"
        case .notSupported: "لا يدعمه القارئ"
        case .insideReader: "خطأ داخل القارئ"
        case .radio: "خطأ في الإشارة"
        case .other: nil
        }
    }
}

extension TurnstileProblem: ScreenText {
    var arabic: String {
        switch self {
        case .boardNotResponding: "لوحة المرحلات لا تستجيب"
        case .relayStuck(let channel, let isOn): "المرحل \(channel) لا \(isOn ? "يعمل" : "ينطفئ")"
        case .tooFewChannels(let count, let used): "في لوحة المرحلات \(count) قنوات، والقناة \(used) مستخدمة"
        case .system(let error): error.arabic
        case .other(let text): text
        }
    }
}

extension SystemError {
    /// The operation, with its cause in Arabic. Causes that are rare at a lane stay in English.
    fileprivate var arabic: String {
        let cause: String? =
            switch code {
            case EIO: "خطأ في الاتصال"
            case ENOENT, ENODEV, ENXIO: "غير موجود"
            case EBUSY: "مشغول"
            case EACCES: "لا إذن"
            case ETIMEDOUT: "لا رد في الوقت"
            case ENOSPC: "لا مساحة على القرص"
            case EROFS: "القرص للقراءة فقط"
            default: nil
            }
        return cause.map { "\(operation): \($0)" } ?? description
    }
}
