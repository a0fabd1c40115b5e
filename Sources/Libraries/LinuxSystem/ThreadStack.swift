import CLinux

/// The stack of the current thread.
package enum ThreadStack {
    /// Bytes that the current thread can still use of its stack.
    package static var freeBytes: Int { Int(clamping: shim_free_stack()) }
}
