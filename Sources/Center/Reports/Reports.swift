/// Reports of an event.
enum Reports {}
