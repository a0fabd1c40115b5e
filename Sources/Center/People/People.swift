/// Search for a person, and what happened to her.
enum People {}
