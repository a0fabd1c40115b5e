import CLinux
import Glibc
import LinuxSystem
import Synchronization

/// A bounded queue into a thread that sleeps in poll(2) on `descriptor`, or in `receive`.
package final class Mailbox<Element: Sendable>: Sendable {
    private let elements = Mutex<[Element]>([])
    /// Readable while something waits.
    package let descriptor: Int32
    package let capacity: Int

    package init(capacity: Int) {
        self.capacity = capacity
        descriptor = eventfd(0, Int32(EFD_NONBLOCK | EFD_CLOEXEC))
        precondition(descriptor >= 0, "eventfd: out of file descriptors")
    }

    deinit { close(descriptor) }

    /// False when full: the caller keeps the element.
    @discardableResult
    package func send(_ element: Element) -> Bool {
        elements.withLock { elements in
            guard elements.count < capacity else { return false }
            elements.append(element)
            // Under the lock, so that the descriptor is readable exactly while something waits.
            eventfd_write(descriptor, 1)
            return true
        }
    }

    /// Keeps the newest: in a full one the oldest gives way. For what is shown, where only the present counts.
    package func push(_ element: Element) {
        elements.withLock { elements in
            if elements.count >= capacity { elements.removeFirst() }
            elements.append(element)
            eventfd_write(descriptor, 1)
        }
    }

    package var count: Int { elements.withLock { $0.count } }

    /// Everything that waits, in order; empty when nothing does. Never blocks.
    package func drain(atMost limit: Int = .max) -> [Element] {
        var value: eventfd_t = 0
        return elements.withLock { elements in
            eventfd_read(descriptor, &value)
            guard elements.count > limit else {
                defer { elements = [] }
                return elements
            }
            let head = Array(elements[..<limit])
            elements.removeFirst(limit)
            eventfd_write(descriptor, 1)
            return head
        }
    }

    /// Waits at most `timeoutMs` for something, then drains.
    package func receive(timeoutMs: Int, atMost limit: Int = .max) -> [Element] {
        if count == 0 { _ = Poll.wait([descriptor], timeoutMs: timeoutMs) }
        return drain(atMost: limit)
    }
}
