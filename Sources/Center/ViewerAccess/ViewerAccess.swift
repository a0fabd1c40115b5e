/// Who may see the counts, and who the names.
enum ViewerAccess {}
