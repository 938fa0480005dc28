"""The words of the interface's OpenAPI description."""

from __future__ import annotations

from typing import Any

_ERROR = {
    "type": "object",
    "properties": {"error": {"type": "string", "minLength": 1}},
    "required": ["error"],
}
_MEANINGS = {
    400: "The request is wrong; `error` says how.",
    404: "No such model or version.",
    408: "The body came too slowly.",
    413: "The body is too large.",
    503: "The server is busy.",
    504: "The answer took too long.",
}
_OBJECT = {"type": "object"}
_ANSWERS: dict[str, dict[str, Any]] = {
    "predict": {
        "type": "object",
        "oneOf": [{"required": ["predictions"]}, {"required": ["outputs"]}],
    },
    "classify": {"type": "object", "required": ["results"]},
    "regress": {"type": "object", "required": ["results"]},
    "status": {
        "type": "object",
        "properties": {"model_version_status": {"type": "array", "items": _OBJECT}},
        "required": ["model_version_status"],
    },
    "metadata": {
        "type": "object",
        "properties": {"model_spec": _OBJECT, "metadata": _OBJECT},
        "required": ["model_spec", "metadata"],
    },
}


def answers_with(verb: str) -> dict[int | str, dict[str, Any]]:
    """The answers of a request, by HTTP status.

    Args:
        verb: `predict`, `classify`, `regress`, `status` or `metadata`.
    """
    failures: dict[int | str, dict[str, Any]] = {
        status: {"description": meaning, "content": {"application/json": {"schema": _ERROR}}}
        for status, meaning in _MEANINGS.items()
        if verb not in ("status", "metadata") or status in (400, 404)
    }
    content = {"application/json": {"schema": _ANSWERS[verb]}}
    return {200: {"description": "The answer.", "content": content}, **failures}


def _body(schema: dict[str, Any]) -> dict[str, Any]:
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


_NAME = {"type": "string", "description": "A signature; `serving_default` when left out."}
PREDICT_BODY = _body(
    {
        "type": "object",
        "properties": {
            "signature_name": _NAME,
            "instances": {"type": "array", "minItems": 1, "description": "One entry a row."},
            "inputs": {"description": "One list an input, the batch first."},
        },
        "oneOf": [{"required": ["instances"]}, {"required": ["inputs"]}],
    }
)
EXAMPLES_BODY = _body(
    {
        "type": "object",
        "properties": {
            "signature_name": _NAME,
            "examples": {"type": "array", "minItems": 1, "items": _OBJECT},
        },
        "required": ["examples"],
    }
)
