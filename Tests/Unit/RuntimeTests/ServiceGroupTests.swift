import Glibc
import LinuxSystem
import Runtime
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(1)))
struct ServiceGroupTests {
    private func service(_ name: String, _ events: Recorder<String>) -> Service {
        Service(name) { stop in
            events.record("start \(name)")
            await stop.stopped()
            events.record("stop \(name)")
        }
    }

    @Test func servicesStartInOrderAndStopInReverse() async throws {
        for _ in 0..<5 {
            let events = Recorder<String>()
            let last = Service("d") { _ in events.record("d ends") }
            try await ServiceGroup(["a", "b", "c"].map { service($0, events) } + [last]).run()
            #expect(events.all == ["start a", "start b", "start c", "d ends", "stop c", "stop b", "stop a"])
        }
    }

    @Test func failureOfOneServiceStopsAllAndIsThrown() async throws {
        let events = Recorder<String>()
        let failing = Service.thread("failing") { _ in throw SystemError("broken", code: 5) }
        let error = await #expect(throws: SystemError.self) {
            try await ServiceGroup([failing, service("a", events), service("b", events)]).run()
        }
        #expect(error?.operation == "broken")
        #expect(events.all == ["start a", "start b", "stop b", "stop a"])
    }

    @Test func firstErrorIsThrown() async throws {
        let failed = StopSignal()
        let first = Service.thread("first") { _ in
            defer { failed.stop() }
            throw SystemError("first", code: 5)
        }
        let second = Service.thread("second") { stop in
            stop.wait(ms: -1)
            throw SystemError("second", code: 5)
        }
        let error = await #expect(throws: SystemError.self) { try await ServiceGroup([second, first]).run() }
        #expect(error?.operation == "first")
    }

    /// Later services depend on earlier ones.
    @Test func serviceEndsBeforeEarlierOnesStop() async throws {
        let events = Recorder<String>()
        let names = ["a", "b", "c"]
        let services = names.map { name in
            Service.thread(name) { stop in
                stop.wait(ms: -1)
                events.record("stopping \(name)")
                sched_yield()
                events.record("stopped \(name)")
            }
        }
        try await ServiceGroup(services + [Service("end") { _ in }]).run()
        #expect(events.all == names.reversed().flatMap { ["stopping \($0)", "stopped \($0)"] })
    }

    @Test func emptyGroupReturnsImmediately() async throws {
        try await ServiceGroup([]).run()
    }

    @Test func sigtermStopsServicesGracefully() async {
        await #expect(processExitsWith: .exitCode(7)) {
            let served = StopSignal()
            let waiting = Service.thread("waiting") { stop in
                stop.wait(ms: -1)
                served.stop()
            }
            let sender = Service.thread("sender") { stop in
                kill(getpid(), SIGTERM)
                stop.wait(ms: -1)
            }
            try await ServiceGroup([waiting, sender]).run()
            exit(served.isStopped ? 7 : 8)
        }
    }

    /// An ended watch must not consume the signals of the next one.
    @Test func eachWatchReceivesItsSignals() async {
        await #expect(processExitsWith: .exitCode(0)) {
            for number in [SIGINT, SIGTERM, SIGINT, SIGTERM] {
                let heard = StopSignal()
                let watch = SignalWatch { if $0 == number { heard.stop() } }
                kill(getpid(), number)
                guard heard.wait(ms: 120_000) else { exit(1) }
                watch.end()
            }
            exit(0)
        }
    }

    @Test func processExitsIfServiceDoesNotStopInTime() async {
        await #expect(processExitsWith: .exitCode(1)) {
            let stubborn = Service.thread("stubborn") { _ in StopSignal().wait(ms: -1) }
            try await ServiceGroup([stubborn, Service("end") { _ in }], shutdownMs: 20).run()
            exit(9)
        }
    }
}
