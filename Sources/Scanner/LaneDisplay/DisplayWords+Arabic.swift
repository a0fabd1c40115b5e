extension DisplayWords {
    /// Words that another part of the gate says in English, in the language of the screen.
    ///
    /// Such words are constant but for numbers, names and the causes behind a colon; what is not known stays as it is.
    static func said(_ words: String, _ language: DisplayLanguage) -> String {
        if language == .en { return words }
        if let whole = phrase(words) { return whole }
        return split(words, at: ": ").map { part in
            if let known = phrase(part) { return known }
            // A cause in brackets is for the technician.
            let pieces = split(part, at: " (")
            guard pieces.count > 1, let head = phrase(pieces[0]) else { return part }
            return ([head] + pieces.dropFirst()).joined(separator: " (")
        }.joined(separator: ": ")
    }

    /// `#` stands for a number: the same numbers in the same order.
    private static func phrase(_ words: String) -> String? {
        let numbers = words.split { !isDigit($0) }
        var pattern = ""
        for character in words {
            if !isDigit(character) { pattern.append(character) } else if pattern.last != "#" { pattern.append("#") }
        }
        guard let found = arabic[pattern] else { return nil }
        var rest = numbers[...]
        return found.map { $0 == "#" ? String(rest.popFirst() ?? "#") : String($0) }.joined()
    }

    private static func isDigit(_ character: Character) -> Bool { character.isASCII && character.isNumber }

    private static func split(_ words: String, at separator: String) -> [String] {
        var (parts, rest) = ([String](), words[...])
        while let range = rest.firstRange(of: separator) {
            parts.append(String(rest[..<range.lowerBound]))
            rest = rest[range.upperBound...]
        }
        return parts + [String(rest)]
    }

    private static let arabic: [String: String] = [
        // The lane's alarms.
        "taps cannot be logged": "لا يمكن تسجيل المرور",
        "no snapshot": "لا توجد قائمة",
        "no gate": "لا توجد بوابة",
        "snapshot expired": "القائمة منتهية",
        "snapshot cannot be read": "لا يمكن قراءة القائمة",
        "an older snapshot serves": "تعمل قائمة أقدم",
        "disk # % full": "القرص ممتلئ بنسبة # %",
        "clock not trusted": "الساعة غير موثوقة",
        "passage sensor out of order": "حساس المرور معطل",
        "# damaged journals set aside: recover them": "سجلات تالفة: #، يجب استرجاعها",
        "# damaged journal set aside: recover it": "سجلات تالفة: #، يجب استرجاعها",
        "standing orders cannot be read": "لا يمكن قراءة الأوامر المحفوظة",
        "orders do not survive a restart": "الأوامر لا تحفظ بعد إعادة التشغيل",
        "no socket for orders": "لا يمكن استقبال الأوامر",
        "the journal cannot be tidied": "لا يمكن ترتيب السجل",
        "no room for the journal's log": "لا مساحة لملف السجل",
        "the disk is full": "القرص ممتلئ",
        "# of # reserves are left": "بقي من الاحتياطي # من #",
        // More than the verdict says.
        "random UID": "رقم عشوائي",
        "message does not verify": "الرسالة غير صحيحة",
        "message was used before": "الرسالة مستخدمة من قبل",
        "UID alone is not enough here": "الرقم وحده لا يكفي هنا",
        "lane open": "المسار مفتوح",
        "lane closed": "المسار مغلق",
        "by hand": "يدوياً",
        // Readers.
        "the reader does not answer": "القارئ لا يستجيب",
        "no NFC reader found": "لم يعثر على قارئ",
        "input/output error": "خطأ في الاتصال",
        "no such reader": "القارئ غير موجود",
        "no answer in time": "لا رد في الوقت",
        "given up by the watchdog": "أوقفه المراقب",
        "not supported by the reader": "لا يدعمه القارئ",
        "error inside the reader": "خطأ داخل القارئ",
        "radio error": "خطأ في الإشارة",
        // The relay board.
        "the relay board does not answer": "لوحة المرحلات لا تستجيب",
        "relay # does not switch off": "المرحل # لا ينطفئ",
        "relay # does not switch on": "المرحل # لا يعمل",
        "the relay board has # channels, channel # is used": "في لوحة المرحلات # قنوات، والقناة # مستخدمة",
        // The kernel, of ports and files.
        "Input/output error": "خطأ في الاتصال",
        "No such file or directory": "غير موجود",
        "No such device": "غير موجود",
        "No such device or address": "غير موجود",
        "Device or resource busy": "مشغول",
        "Permission denied": "لا إذن",
        "Connection timed out": "لا رد في الوقت",
        "No space left on device": "لا مساحة على القرص",
        "Read-only file system": "القرص للقراءة فقط",
    ]
}
