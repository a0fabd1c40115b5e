/// Black and white pixels: big letters and shapes for a screen that is read at two metres.
struct Bitmap: Equatable, Sendable {
    let width: Int
    let height: Int
    private(set) var isOn: [Bool]

    init(width: Int, height: Int) {
        (self.width, self.height) = (max(0, width), max(0, height))
        isOn = [Bool](repeating: false, count: self.width * self.height)
    }

    /// Reads rows of hex digits, four pixels per digit, separated by blanks or line ends.
    init(width: Int, hex: String) {
        let rows = hex.split(whereSeparator: \.isWhitespace)
        self.init(width: width, height: rows.count)
        for (y, row) in rows.enumerated() {
            for (digit, character) in row.enumerated() {
                guard let value = character.hexDigitValue else { continue }
                for bit in 0..<4 where value & (8 >> bit) != 0 { self[digit * 4 + bit, y] = true }
            }
        }
    }

    /// Pixels outside the bitmap are off, and writing them has no effect.
    subscript(x: Int, y: Int) -> Bool {
        get { x >= 0 && x < width && y >= 0 && y < height && isOn[y * width + x] }
        set { if x >= 0 && x < width && y >= 0 && y < height { isOn[y * width + x] = newValue } }
    }

    /// Draws another bitmap in the middle of a rectangle, each of its pixels `scale` wide and high.
    mutating func draw(_ other: Bitmap, scale: Int, inX: Int, y inY: Int, width areaWidth: Int, height areaHeight: Int)
    {
        let left = inX + max(0, (areaWidth - other.width * scale) / 2)
        let top = inY + max(0, (areaHeight - other.height * scale) / 2)
        for y in 0..<other.height * scale {
            for x in 0..<other.width * scale where other[x / scale, y / scale] { self[left + x, top + y] = true }
        }
    }

    /// Rows of text, each character one pixel wide and two high.
    var rows: [String] {
        stride(from: 0, to: height, by: 2).map { y in
            String(
                (0..<width).map { x -> Character in
                    switch (self[x, y], self[x, y + 1]) {
                    case (true, true): "█"
                    case (true, false): "▀"
                    case (false, true): "▄"
                    case (false, false): " "
                    }
                })
        }
    }
}

/// Shape of a verdict, for colour-blind people.
enum DisplayShape: Sendable {
    case check, cross, warning

    func bitmap(side: Int) -> Bitmap {
        var bitmap = Bitmap(width: side, height: side)
        guard side > 2 else { return bitmap }
        for y in 0..<side {
            for x in 0..<side {
                let (u, v) = ((Double(x) + 0.5) / Double(side), (Double(y) + 0.5) / Double(side))
                bitmap[x, y] = covers(u, v)
            }
        }
        return bitmap
    }

    /// Whether the shape covers a point of the unit square, y downwards.
    private func covers(_ x: Double, _ y: Double) -> Bool {
        let half = 0.09
        switch self {
        case .check:
            return near(x, y, from: (0.1, 0.55), to: (0.38, 0.85), half)
                || near(x, y, from: (0.38, 0.85), to: (0.9, 0.15), half)
        case .cross:
            return near(x, y, from: (0.12, 0.12), to: (0.88, 0.88), half)
                || near(x, y, from: (0.88, 0.12), to: (0.12, 0.88), half)
        case .warning:
            let inside = y > 0.05 && y < 0.95 && abs(x - 0.5) < (y - 0.05) * 0.55
            let mark = abs(x - 0.5) < 0.055 && ((y > 0.38 && y < 0.68) || (y > 0.76 && y < 0.87))
            return inside && !mark
        }
    }

    private func near(
        _ x: Double, _ y: Double, from a: (Double, Double), to b: (Double, Double), _ distance: Double
    ) -> Bool {
        let (dx, dy) = (b.0 - a.0, b.1 - a.1)
        let along = min(1, max(0, ((x - a.0) * dx + (y - a.1) * dy) / (dx * dx + dy * dy)))
        let (ex, ey) = (x - a.0 - along * dx, y - a.1 - along * dy)
        return ex * ex + ey * ey <= distance * distance
    }
}
