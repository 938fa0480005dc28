"""What a server, or the way to it, may answer instead of an answer."""

from __future__ import annotations

from tfrec_fusion.errors import UserError


class ServerError(UserError):
    """A request that was not answered.

    Args:
        code: The gRPC name of what went wrong, such as INTERNAL; over REST the one that the HTTP
            status stands for.
        message: The server's own words.
        http_status: The HTTP status, over REST.
    """

    def __init__(self, code: str, message: str, http_status: int | None = None) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.http_status = http_status


class InvalidRequest(ServerError, ValueError):
    """The request is wrong; sending it again does not help."""


class NotServed(ServerError, LookupError):
    """No such model or version."""


class ServerTimeout(ServerError, TimeoutError):
    """No answer in the time given."""


class ServerUnavailable(ServerError, ConnectionError):
    """No server there, or a busy one; the client tries again by itself first."""


_KINDS: dict[str, type[ServerError]] = {
    "INVALID_ARGUMENT": InvalidRequest,
    "FAILED_PRECONDITION": InvalidRequest,
    "OUT_OF_RANGE": InvalidRequest,
    "UNIMPLEMENTED": InvalidRequest,
    "NOT_FOUND": NotServed,
    "DEADLINE_EXCEEDED": ServerTimeout,
    "UNAVAILABLE": ServerUnavailable,
    "RESOURCE_EXHAUSTED": ServerUnavailable,
}
_CODES = {
    400: "INVALID_ARGUMENT",
    404: "NOT_FOUND",
    408: "DEADLINE_EXCEEDED",
    413: "INVALID_ARGUMENT",
    429: "RESOURCE_EXHAUSTED",
    501: "UNIMPLEMENTED",
    502: "UNAVAILABLE",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}


def error_of_code(code: str, message: str, http_status: int | None = None) -> ServerError:
    """The error of a gRPC code.

    Example:
    >>> error_of_code("NOT_FOUND", "Could not find any versions of model x")
    NotServed('NOT_FOUND: Could not find any versions of model x')
    """
    if code == "RESOURCE_EXHAUSTED" and "larger than max" in message:
        return InvalidRequest(code, message)  # gRPC's word for a message over the limit
    return _KINDS.get(code, ServerError)(code, message, http_status)


def error_of_status(status: int, message: str) -> ServerError:
    """The error of an HTTP status."""
    fallback = "INVALID_ARGUMENT" if 400 <= status < 500 else "INTERNAL"
    return error_of_code(_CODES.get(status, fallback), message, status)
