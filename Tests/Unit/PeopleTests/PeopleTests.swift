import Testing

@testable import People

@Suite struct PeopleTests {}
