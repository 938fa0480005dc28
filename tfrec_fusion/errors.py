"""Errors that the caller can mend: each message says what was wrong and what to do.

The command line prints them as one message. Any other exception is a fault of the package and is
shown with its traceback. Each class is also the built-in exception of its kind, so that
`except ValueError` and `except FileNotFoundError` go on working.
"""

from __future__ import annotations


class UserError(Exception):
    """Base of every error that the caller can mend."""


class InvalidInput(UserError, ValueError):
    """A value, a table or the content of a file that cannot be used."""


class WrongType(UserError, TypeError):
    """An argument of another type than is needed."""


class NotFound(UserError, FileNotFoundError):
    """A file or folder that is missing."""


class AlreadyExists(UserError, FileExistsError):
    """A file or folder that would be overwritten."""


class NotAFolder(UserError, NotADirectoryError):
    """A file where a folder is needed."""


class Unavailable(UserError, RuntimeError):
    """A device or service that cannot be had."""


class SystemRefusal(UserError, OSError):
    """What the operating system does not allow, such as a port that is taken."""
