"""Errors as TensorFlow Serving names them: a code, and the HTTP status that goes with it."""

from __future__ import annotations

import re

import tensorflow as tf

# As the stock server maps them, but for RESOURCE_EXHAUSTED: a full queue is 503 in its batching.
HTTP_STATUS = {
    "CANCELLED": 499,
    "UNKNOWN": 500,
    "INVALID_ARGUMENT": 400,
    "DEADLINE_EXCEEDED": 504,
    "NOT_FOUND": 404,
    "ALREADY_EXISTS": 409,
    "PERMISSION_DENIED": 403,
    "RESOURCE_EXHAUSTED": 503,
    "FAILED_PRECONDITION": 400,
    "ABORTED": 409,
    "OUT_OF_RANGE": 400,
    "UNIMPLEMENTED": 501,
    "INTERNAL": 500,
    "UNAVAILABLE": 503,
    "DATA_LOSS": 500,
    "UNAUTHENTICATED": 401,
}
_CODE_NAMES = dict(enumerate(HTTP_STATUS, 1))  # the order is that of the codes 1 to 16
MAX_MESSAGE = 1000


class ServingError(Exception):
    """A request that cannot be answered, and why.

    Args:
        code: A name of `HTTP_STATUS`, the same as gRPC's.
        message: What was wrong; cut to 1,000 characters.
        http_status: Another HTTP status than the code's.
    """

    def __init__(self, code: str, message: str, http_status: int | None = None) -> None:
        shown = message if len(message) <= MAX_MESSAGE else message[: MAX_MESSAGE - 3] + "..."
        super().__init__(shown)
        self.code = code
        self.message = shown
        self.http_status = http_status or HTTP_STATUS[code]


def invalid(message: str) -> ServingError:
    """An error of the request itself."""
    return ServingError("INVALID_ARGUMENT", message)


def not_found(message: str) -> ServingError:
    """Something asked for by a name that nothing has."""
    return ServingError("NOT_FOUND", message)


def from_tensorflow(error: tf.errors.OpError) -> ServingError:
    """What the graph said, without its stack traces."""
    return ServingError(_CODE_NAMES.get(error.error_code, "UNKNOWN"), graph_message(str(error)))


def graph_message(text: str) -> str:
    """The sentence in an error of a graph: no stack traces, no names of wrappers."""
    text = re.sub(r"(?s)Graph execution error:.*?<stack traces unavailable>", "", text)
    text = re.sub(r"\[Op:\w+\]|\[\[\{\{.*?\}\}\]\]", "", text)
    text = re.sub(r"(?s)assertion failed: \[(.*?)\]", r"\1", text)
    lines = [line.strip() for line in text.splitlines()]
    return " ".join(line for line in lines if line) or "The graph failed without a message."


def shown(value: object, limit: int = 100) -> str:
    """A value for a message, short."""
    text = repr(value)
    return text if len(text) <= limit else text[: limit - 3] + "..."
