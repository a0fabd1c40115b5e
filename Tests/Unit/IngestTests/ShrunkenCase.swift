/// Looks for a small failing case by leaving out elements.
///
/// - Parameters:
///   - elements: the case.
///   - failure: runs a case; returns the first difference, `nil` without one.
/// - Returns: the elements that are left and their difference; `nil` if the case does not fail.
func shrunkenFailure<Element>(_ elements: [Element], _ failure: ([Element]) -> String?) -> String? {
    guard var message = failure(elements) else { return nil }
    var elements = elements
    var index = 0
    while index < elements.count {
        var fewer = elements
        fewer.remove(at: index)
        if let other = failure(fewer) { (elements, message) = (fewer, other) } else { index += 1 }
    }
    return "\(message) after \(elements)"
}
