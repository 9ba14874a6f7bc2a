"""The page of the learner and the board of the instructor: a server for all instances of this machine."""
