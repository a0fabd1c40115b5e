import CLinux
import Glibc
import LinuxSystem
import Synchronization

/// A bounded queue to a thread that waits in poll(2) on `descriptor`, or in `receive`.
package final class Mailbox<Element: Sendable>: Sendable {
    private let elements = Mutex<[Element]>([])
    /// For poll(2): readable while the queue has elements.
    package let descriptor: Int32
    /// Maximum number of elements.
    package let capacity: Int

    /// Creates an empty queue.
    ///
    /// - Parameter capacity: maximum number of elements.
    package init(capacity: Int) {
        self.capacity = capacity
        descriptor = eventfd(0, Int32(EFD_NONBLOCK | EFD_CLOEXEC))
        precondition(descriptor >= 0, "eventfd: out of file descriptors")
    }

    deinit { close(descriptor) }

    /// Appends an element.
    ///
    /// - Returns: `false` if the queue is full and the element was not added.
    @discardableResult
    package func send(_ element: Element) -> Bool {
        elements.withLock { elements in
            guard elements.count < capacity else { return false }
            elements.append(element)
            // Under the lock, so that the descriptor is readable exactly while there are elements.
            eventfd_write(descriptor, 1)
            return true
        }
    }

    /// Appends an element and drops the oldest one of a full queue. For displays, which need the latest state only.
    package func push(_ element: Element) {
        elements.withLock { elements in
            if elements.count >= capacity { elements.removeFirst() }
            elements.append(element)
            eventfd_write(descriptor, 1)
        }
    }

    /// Appends an element to a queue in which some elements are states. Of these only the last one stays, and it is never
    /// dropped. A full queue drops its oldest other element.
    ///
    /// - Parameters:
    ///   - element: the element.
    ///   - isState: whether an element is a state, which replaces the former one.
    package func push(_ element: Element, isState: (Element) -> Bool) {
        elements.withLock { elements in
            if isState(element) {
                elements.removeAll(where: isState)
            } else if elements.count >= capacity, let oldest = elements.firstIndex(where: { !isState($0) }) {
                elements.remove(at: oldest)
            }
            elements.append(element)
            eventfd_write(descriptor, 1)
        }
    }

    /// Current number of elements.
    package var count: Int { elements.withLock { $0.count } }

    /// Removes the oldest elements without waiting.
    ///
    /// - Parameter limit: maximum number of elements.
    /// - Returns: the elements in order; may be empty.
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

    /// Waits for elements and removes them.
    ///
    /// - Parameters:
    ///   - timeoutMs: maximum wait, in milliseconds.
    ///   - limit: maximum number of elements.
    /// - Returns: the elements in order; empty after a time-out.
    package func receive(timeoutMs: Int, atMost limit: Int = .max) -> [Element] {
        if count == 0 { _ = Poll.wait([descriptor], timeoutMs: timeoutMs) }
        return drain(atMost: limit)
    }
}
