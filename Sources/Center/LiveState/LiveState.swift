/// The state that the wall shows.
enum LiveState {}
