import Synchronization

/// An event that occurs once, and the tasks that wait for it.
final class OneShotEvent: Sendable {
    private struct State {
        var isOver = false
        var waiting: [CheckedContinuation<Void, Never>] = []
    }
    private let state = Mutex(State())

    func release() {
        let woken = state.withLock { state in
            defer { state = State(isOver: true) }
            return state.waiting
        }
        for waiter in woken { waiter.resume() }
    }

    func wait() async {
        await withCheckedContinuation { continuation in
            let isOver = state.withLock { state in
                if !state.isOver { state.waiting.append(continuation) }
                return state.isOver
            }
            if isOver { continuation.resume() }
        }
    }
}
