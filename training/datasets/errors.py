"""What goes wrong while a dataset is read."""


class DatasetError(ValueError):
    """A dataset, a part or a file is not what the official layout says; tells what was expected and what was found."""
