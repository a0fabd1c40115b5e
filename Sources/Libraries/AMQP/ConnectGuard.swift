import CRabbitMQ  // sys/socket.h: in release builds Glibc alone does not declare SHUT_RDWR
import Glibc

/// Aborts a login to a silent broker when a descriptor becomes readable.
///
/// librabbitmq then blocks in its own poll(2) and cannot be interrupted, but shutting down the socket wakes it.
final class ConnectGuard: @unchecked Sendable {
    // Sendable: the numbers are constant after init; `ends` are the two ends of a pipe, each used by one thread.
    private let socket: Int32
    private let interrupt: Int32
    private var ends: [Int32] = [-1, -1]
    private var thread = pthread_t()
    private var isRunning = false

    init(socket: Int32, interrupt: Int32) {
        self.socket = socket
        self.interrupt = interrupt
        guard interrupt >= 0, pipe(&ends) == 0 else { return }
        var attributes = pthread_attr_t()
        pthread_attr_init(&attributes)
        pthread_attr_setstacksize(&attributes, 128 << 10)
        defer { pthread_attr_destroy(&attributes) }
        let code = pthread_create(
            &thread, &attributes,
            { argument in
                Unmanaged<ConnectGuard>.fromOpaque(argument!).takeUnretainedValue().watch()
                return nil
            }, Unmanaged.passUnretained(self).toOpaque())
        isRunning = code == 0
    }

    private func watch() {
        var entries = [interrupt, ends[0]].map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
        while poll(&entries, 2, -1) < 0 && errno == EINTR {}
        if entries[1].revents == 0 { shutdown(socket, Int32(SHUT_RDWR)) }
    }

    /// Stops the watching thread. Call exactly once, after the login, while the object is alive.
    func end() {
        if isRunning {
            close(ends[1])
            pthread_join(thread, nil)
            close(ends[0])
        } else if ends[0] >= 0 {
            close(ends[0])
            close(ends[1])
        }
        (isRunning, ends) = (false, [-1, -1])
    }
}
