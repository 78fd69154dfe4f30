"""A file that cannot be read as a whole; its rows' faults are no errors but findings."""


class BrokenFile(Exception):
    """The text completes "FILE cannot be read: ..."; the caller knows which file it was."""
