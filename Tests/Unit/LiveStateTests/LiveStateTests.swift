import Testing

@testable import LiveState

@Suite struct LiveStateTests {}
