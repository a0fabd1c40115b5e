import Testing

@testable import Runtime

struct NearestNameTests {
    @Test func aTypingErrorFindsTheName() {
        let zones = ["Main Hall", "Backstage", "VIP", "Camping North"]
        #expect(NearestName.best("Main Hal", in: zones) == "Main Hall")
        #expect(NearestName.best("main hall", in: zones) == "Main Hall")
        #expect(NearestName.best("Bakcstage", in: zones) == "Backstage")
        #expect(NearestName.best("VPI", in: zones) == "VIP")
        #expect(NearestName.best("Press", in: zones) == nil)
        #expect(NearestName.best("Camping", in: zones) == "Camping North")
    }

    @Test func theNearestNameIsFirst() {
        #expect(NearestName.matches("gate 1", in: ["gate 22", "gate 2", "gate 1a", "exit"]).first == "gate 1a")
        #expect(NearestName.matches("gate 1", in: ["gate 2", "gate 3", "gate 4", "gate 5"], limit: 2).count == 2)
    }

    @Test func aSwapOfNeighboursIsOneChange() {
        #expect(NearestName.distance(Array("ab"), Array("ba")) == 1)
        #expect(NearestName.distance(Array("kitten"), Array("sitting")) == 3)
        #expect(NearestName.distance([], Array("abc")) == 3)
    }

    @Test func emptyAndLongNamesHaveNoMatch() {
        #expect(NearestName.best("", in: ["a"]) == nil)
        let long = String(repeating: "a", count: NearestName.lengthLimit + 1)
        #expect(NearestName.best(long, in: [long]) == nil)
    }
}
