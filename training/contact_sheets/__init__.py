"""Contact sheets of a data set."""
