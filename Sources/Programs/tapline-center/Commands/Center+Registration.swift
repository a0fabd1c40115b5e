extension Center {
    static let registration = [importList, exportList] + event + tags
}
