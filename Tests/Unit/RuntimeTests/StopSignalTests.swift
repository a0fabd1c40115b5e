import FileSystem
import LinuxSystem
import Runtime
import Testing

struct StopSignalTests {
    @Test func stopIsVisibleToThreadsPollAndTasks() async {
        let signal = StopSignal()
        #expect(!signal.isStopped)
        #expect(!signal.wait(ms: 1))
        #expect(!Poll.wait([signal.descriptor], timeoutMs: 0)[0])
        signal.stop()
        signal.stop()
        #expect(signal.isStopped)
        #expect(signal.wait(ms: .max))
        #expect(signal.wait(ms: -1))
        #expect(Poll.wait([signal.descriptor], timeoutMs: -1)[0])
        await signal.stopped()
    }

    @Test(.timeLimit(.minutes(1))) func stopWakesAllWaiters() async {
        for _ in 0..<300 {
            let signal = StopSignal()
            let thread = NamedThread("waiter") { signal.wait(ms: -1) }
            await withTaskGroup { group in
                for _ in 0..<8 { group.addTask { await signal.stopped() } }
                group.addTask { signal.stop() }
            }
            await thread.end()
        }
    }

    @Test func pollReportsReadyDescriptorsAndAcceptsNone() {
        let (first, second) = (StopSignal(), StopSignal())
        second.stop()
        #expect(Poll.wait([first.descriptor, second.descriptor], timeoutMs: .max) == [false, true])
        #expect(Poll.wait([], timeoutMs: 0) == [])
    }

    @Test func threadReturnsResultOrError() async throws {
        let name = try await NamedThread.run("a name longer than fifteen bytes") {
            try Files.readText("/proc/thread-self/comm")
        }
        #expect(name == "a name longer t\n")
        await #expect(throws: SystemError.self) {
            try await NamedThread.run("thrower") { throw SystemError("test", code: 5) }
        }
    }
}
