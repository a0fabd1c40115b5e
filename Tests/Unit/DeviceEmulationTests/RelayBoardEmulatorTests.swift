import DeviceEmulation
import LinuxSystem
import SerialPorts
import TestSupport
import Testing

@Suite struct RelayBoardEmulatorTests {
    private static func command(_ channel: UInt8, _ state: UInt8) -> [UInt8] {
        [0xa0, channel, state, 0xa0 &+ channel &+ state]
    }

    private static func read(_ port: SerialPort, _ count: Int) throws -> [UInt8] {
        var bytes: [UInt8] = []
        try eventually("\(count) bytes") {
            bytes += try port.read(timeoutMs: 100)
            return bytes.count >= count
        }
        return bytes
    }

    @Test(arguments: [1, 2, 4, 8]) func commandsSwitchRelays(_ count: Int) throws {
        let board = try RelayBoardEmulator(channels: count)
        let port = try SerialPort(board.path)
        for channel in 1...count { try port.write(Self.command(UInt8(channel), 1)) }
        try eventually("all relays are on") { board.states.allSatisfy { $0 } }
        try port.write(Self.command(1, 1) + Self.command(1, 0))
        try eventually("the first relay is off") { !board.isOn(1) }
        #expect(board.states.dropFirst().allSatisfy { $0 })
        #expect(board.changes.map(\.channel) == Array(1...count) + [1])
        #expect(board.commands == count + 2)
        #expect(zip(board.changes, board.changes.dropFirst()).allSatisfy { $0.atMs <= $1.atMs })
        if count > 1 {
            try port.write([0xff])
            let expected = (1...count).map { "CH\($0):\($0 == 1 ? "OFF" : "ON") \r\n" }.joined()
            #expect(String(decoding: try Self.read(port, expected.utf8.count), as: UTF8.self) == expected)
        }
    }

    @Test func replyDependsOnBoard() throws {
        let board = try RelayBoardEmulator(channels: 4, reply: .bytes)
        let port = try SerialPort(board.path)
        try port.write(Self.command(3, 1) + [0xff])
        #expect(try Self.read(port, 4) == [0, 0, 1, 0])
        let mute = try RelayBoardEmulator(channels: 1)
        let other = try SerialPort(mute.path)
        try other.write([0xff] + Self.command(1, 1))
        try eventually("the command after the query") { mute.isOn(1) }
        #expect(try other.read(timeoutMs: 50) == [])
    }

    @Test func invalidFramesMoveNoRelay() throws {
        let board = try RelayBoardEmulator(channels: 2)
        let port = try SerialPort(board.path)
        try port.write([0xa0, 1, 1, 0x00] + Self.command(3, 1) + Self.command(0, 1) + Self.command(1, 7))
        try port.write([0x13, 0x37] + Self.command(2, 1))
        try eventually("the valid command") { board.isOn(2) }
        #expect(board.badFrames == 4 && !board.isOn(1) && board.commands == 1)
    }

    @Test func unplugReleasesRelaysAndStuckBoardKeepsThem() throws {
        let board = try RelayBoardEmulator(channels: 2)
        var port = try SerialPort(board.path)
        try port.write(Self.command(1, 1))
        try eventually("the relay is on") { board.isOn(1) }
        board.isStuck = true
        try port.write(Self.command(1, 0) + [0xff])
        #expect(try port.read(timeoutMs: 50) == [])
        #expect(board.isOn(1))
        board.isStuck = false
        board.unplug()
        #expect(board.states == [false, false] && board.changes.map(\.isOn) == [true, false])
        try board.plug()
        port = try SerialPort(board.path)
        try port.write(Self.command(2, 1))
        try eventually("the board works again") { board.isOn(2) }
    }

    @Test func jammedRelayReportsItsTrueState() throws {
        let board = try RelayBoardEmulator(channels: 2)
        let port = try SerialPort(board.path)
        try port.write(Self.command(1, 1))
        try eventually("the relay is on") { board.isOn(1) }
        board.jammed = [1, 2]
        try port.write(Self.command(1, 0) + Self.command(2, 1) + [0xff])
        let expected = "CH1:ON \r\nCH2:OFF \r\n"
        #expect(String(decoding: try Self.read(port, expected.utf8.count), as: UTF8.self) == expected)
        #expect(board.states == [true, false] && board.commands == 3)
        board.jammed = []
        try port.write(Self.command(1, 0))
        try eventually("the relay moves again") { !board.isOn(1) }
    }

    @Test func brownOutReleasesRelaysAndKeepsPort() throws {
        let board = try RelayBoardEmulator(channels: 2)
        let port = try SerialPort(board.path)
        try port.write(Self.command(2, 1))
        try eventually("the relay is on") { board.isOn(2) }
        board.brownOut()
        #expect(board.states == [false, false])
        try port.write(Self.command(1, 1))
        try eventually("the same port works") { board.isOn(1) }
    }

    @Test func lineDeviceSendsAndReceivesBytes() throws {
        let scanner = try LineEmulator()
        let port = try SerialPort(scanner.path)
        scanner.send(line: "ABC-123")
        #expect(try Self.read(port, 9) == Array("ABC-123\r\n".utf8))
        scanner.send([0x00, 0xff])
        #expect(try Self.read(port, 2) == [0x00, 0xff])
        try port.write([0x16, 0x54, 0x0d])
        try eventually("the bytes of the program") { scanner.received == [0x16, 0x54, 0x0d] }
        scanner.unplug()
        #expect(throws: SystemError.self) { for _ in 0..<10 { _ = try port.read(timeoutMs: 1_000) } }
    }
}
