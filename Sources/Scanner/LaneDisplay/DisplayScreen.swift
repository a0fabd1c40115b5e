import ScanModel

/// One picture of the lane's screen, made of text. A pure value.
struct DisplayScreen: Equatable, Sendable {
    enum Colour: Int, Sendable {
        // Numbers of the 256-colour palette of terminals. The Linux console uses its nearest colour.
        case black = 16
        case green = 28
        case red = 160
        case amber = 214
        case blue = 19
        case purple = 90
        case white = 231
        case grey = 240

        /// Number of the colour of letters on it.
        var ink: Int { self == .amber || self == .white ? 16 : 231 }
    }

    /// A line of the screen, of its full width.
    struct Row: Equatable, Sendable {
        var text: String
        var colour: Colour
    }

    let rows: [Row]

    /// The escape sequences that paint the screen: each row from its start, with its colour up to the end of the line.
    var paint: String {
        var out = ""
        for (index, row) in rows.enumerated() {
            let colours = "38;5;\(row.colour.ink);48;5;\(row.colour.rawValue)"
            out += "\u{1b}[\(index + 1);1H\u{1b}[0;1;\(colours)m\(row.text)\u{1b}[K"
        }
        return out + "\u{1b}[0m"
    }

    /// Makes a name of the registry or of a device safe for a terminal: one line without control characters.
    static func safe(_ text: String) -> String {
        String(
            String.UnicodeScalarView(
                text.unicodeScalars.map { scalar in
                    switch scalar.properties.generalCategory {
                    case .control, .format, .lineSeparator, .paragraphSeparator, .surrogate, .privateUse: " "
                    default: scalar
                    }
                }))
    }
}

/// Lays out rows from top to bottom for a size and a language.
struct DisplayLayout: Sendable {
    let columns: Int
    let height: Int
    let language: DisplayLanguage

    /// Minimum size of the layout. A smaller screen shows the part that fits.
    static let smallest = (rows: 8, columns: 20)

    init(rows: Int, columns: Int, language: DisplayLanguage) {
        height = max(DisplayLayout.smallest.rows, min(rows, 200))
        self.columns = max(DisplayLayout.smallest.columns, min(columns, 400))
        self.language = language
    }

    /// A shape with big words beside it. Arabic reads from the right, so its shape is on the right.
    func banner(_ shape: DisplayShape?, _ words: [String], rowCount: Int, _ colour: DisplayScreen.Colour)
        -> [DisplayScreen.Row]
    {
        var canvas = Bitmap(width: columns, height: rowCount * 2)
        let margin = 2
        let bitmaps = words.map { bitmap($0) }
        // The words have priority over the shape.
        let widest = bitmaps.map { $0?.width ?? 0 }.max() ?? 0
        let room = max(canvas.height / 3, columns - 3 * margin - widest)
        let side = shape == nil ? 0 : min(canvas.height - 2, columns * 2 / 5, room)
        if let shape {
            let x = language == .ar ? columns - side - margin : margin
            canvas.draw(
                shape.bitmap(side: side), scale: 1, inX: x, y: 0, width: side, height: canvas.height)
        }
        let left = language == .ar || side == 0 ? margin : side + 2 * margin
        let width = columns - side - (side == 0 ? 2 : 3) * margin
        let lineHeight = words.isEmpty ? 0 : canvas.height / words.count
        let scale = bitmaps.compactMap { bitmap in
            bitmap.map { min(width / max(1, $0.width), lineHeight / ($0.height + 1)) }
        }.min()
        guard let scale, scale > 0, !bitmaps.contains(nil) else {
            // Without big letters, or without room for them, use the letters of the terminal.
            var rows = canvas.rows
            let text = words.joined(separator: " ")
            let row = rows.count / 2
            let at = max(0, min(left + (width - text.count) / 2, columns - text.count))
            rows[row] = String(rows[row].prefix(at)) + text + String(rows[row].dropFirst(at + text.count))
            return rows.map { DisplayScreen.Row(text: fit($0), colour: colour) }
        }
        let used = bitmaps.compactMap { $0.map { ($0.height + 1) * scale } }.reduce(0, +)
        var y = (canvas.height - used) / 2
        for case let bitmap? in bitmaps {
            let high = (bitmap.height + 1) * scale
            canvas.draw(bitmap, scale: scale, inX: left, y: y, width: width, height: high)
            y += high
        }
        return canvas.rows.map { DisplayScreen.Row(text: $0, colour: colour) }
    }

    /// A bar of words in its own colour, in big letters if they fit.
    func bar(_ words: String, _ colour: DisplayScreen.Colour) -> [DisplayScreen.Row] {
        let words = DisplayScreen.safe(words)
        guard let bitmap = bitmap(words), bitmap.width <= columns - 2, bitmap.height <= 8 else {
            return [line(words, colour)]
        }
        var canvas = Bitmap(width: columns, height: 10)
        canvas.draw(bitmap, scale: 1, inX: 0, y: 1, width: columns, height: 8)
        return canvas.rows.map { DisplayScreen.Row(text: $0, colour: colour) }
    }

    /// One row of centred text.
    func line(_ text: String, _ colour: DisplayScreen.Colour) -> DisplayScreen.Row {
        let text = DisplayScreen.safe(text)
        return DisplayScreen.Row(
            text: fit(String(repeating: " ", count: max(0, (columns - text.count) / 2)) + text), colour: colour)
    }

    /// One row with text at both ends.
    func line(_ left: String, _ right: String, _ colour: DisplayScreen.Colour) -> DisplayScreen.Row {
        let (left, right) = (" " + DisplayScreen.safe(left), DisplayScreen.safe(right) + " ")
        let gap = String(repeating: " ", count: max(1, columns - left.count - right.count))
        return DisplayScreen.Row(text: fit(left + gap + right), colour: colour)
    }

    /// A whole screen. The banner has the rows that top and bottom leave.
    func screen(
        _ shape: DisplayShape?, _ words: [String], top: [DisplayScreen.Row] = [], bottom: [DisplayScreen.Row],
        _ colour: DisplayScreen.Colour
    ) -> DisplayScreen {
        let top = Array(top.prefix(height - 4))
        let bottom = Array(bottom.prefix(max(0, height - 4 - top.count)))
        let rest = height - top.count - bottom.count
        return DisplayScreen(rows: top + banner(shape, words, rowCount: rest, colour) + bottom)
    }

    private func bitmap(_ words: String) -> Bitmap? { ArabicBitmapFont.bitmap(words) ?? BitmapFont.bitmap(words) }

    private func fit(_ text: String) -> String { String(text.prefix(columns)) }
}
