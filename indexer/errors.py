"""What can go wrong with a library as a whole; each message says what, where, what to do."""


class LibraryError(Exception):
    """The library is corrupt, from another version, or built with another encoder."""


class LibraryBusyError(Exception):
    """Another process is writing to the library."""


class RootLostError(Exception):
    """A folder looks unplugged or emptied rather than tidied up; nothing was changed."""
