"""REST bodies: `instances` or `inputs` to arrays, arrays to `predictions` or `outputs`."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from tfrec_fusion.serving.local.failures import ServingError, invalid, shown
from tfrec_fusion.serving.local.json_values import BASE64_KEY, array_from_json, is_base64
from tfrec_fusion.serving.local.signatures import DEFAULT_SIGNATURE, MAX_VALUES, Signature

ROWS, COLUMNS = "instances", "inputs"
_ANSWER_KEY = {ROWS: "predictions", COLUMNS: "outputs"}


def read_object(body: bytes, max_values: int = MAX_VALUES) -> dict[str, Any]:
    """The JSON object of a body.

    Args:
        body: The body.
        max_values: Most values in it, empty lists and objects included.

    Raises:
        ServingError: INVALID_ARGUMENT when it is not UTF-8, not JSON, nested too deeply, or no
            object; before it is read, when it has too many values: 3 bytes of `[],` become some
            60 of memory. Commas and brackets of texts count, too.
    """
    if not body:
        raise invalid("JSON Parse error: The document is empty")
    values = sum(body.count(sign) for sign in (b",", b"[", b"{"))
    if values > max_values:
        raise invalid(
            f"A request must have at most {max_values:,} values. Received: {values:,} commas and "
            "opening brackets. Send several requests."
        )
    try:
        document = json.loads(body.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise invalid(
            f"JSON Parse error: Invalid encoding in string at offset: {error.start}. "
            "The body must be UTF-8."
        ) from error
    except json.JSONDecodeError as error:
        raise invalid(f"JSON Parse error: {error.msg} at offset: {error.pos}") from error
    except RecursionError as error:
        raise invalid("JSON Parse error: the document is nested too deeply") from error
    except ValueError as error:  # a number of thousands of digits
        raise invalid(f"JSON Parse error: {error}") from error
    if not isinstance(document, dict):
        raise invalid(f"JSON Value: {shown(document)} Is not object")
    return document


def signature_name(document: Mapping[str, Any]) -> str:
    """The name of the asked signature; `serving_default` when none is given."""
    name = document.get("signature_name", DEFAULT_SIGNATURE)
    if not isinstance(name, str):
        raise invalid(
            f"JSON Value: {shown(name)} not formatted correctly. "
            "'signature_name' key must be a string value."
        )
    return name or DEFAULT_SIGNATURE


def find_signature(document: Mapping[str, Any], find: Callable[[str], Signature]) -> Signature:
    """The asked signature, found by `find`.

    Raises:
        ServingError: INVALID_ARGUMENT when there is none, as the stock server's REST says it.
    """
    name = signature_name(document)
    try:
        return find(name)
    except ServingError as error:
        raise invalid(
            f'Serving signature name: "{shown(name)[1:-1]}" not found in signature def. '
            f"{error.message.partition('found. ')[2]}"
        ) from error


def read_arrays(
    document: Mapping[str, Any], signature: Signature
) -> tuple[str, dict[str, np.ndarray]]:
    """The inputs of a request.

    Args:
        document: The body: rows under `instances`, or columns under `inputs`.
        signature: The signature asked.

    Returns:
        The format, `instances` or `inputs`, and one array an input.

    Raises:
        ServingError: INVALID_ARGUMENT when there are both or none, when inputs are missing or
            unknown, or a value does not fit.
    """
    if ROWS in document and COLUMNS in document:
        raise invalid(
            f"Not formatted correctly expecting only one of '{COLUMNS}' or '{ROWS}' keys to exist"
        )
    if ROWS in document:
        return ROWS, _from_rows(document[ROWS], signature)
    if COLUMNS in document:
        return COLUMNS, _from_columns(document[COLUMNS], signature)
    raise invalid(f"Missing '{COLUMNS}' or '{ROWS}' key")


def _from_rows(rows: Any, signature: Signature) -> dict[str, np.ndarray]:
    if not isinstance(rows, list):
        raise invalid(f"JSON Value: {shown(rows)} Excepting '{ROWS}' to be an list/array")
    if not rows:
        raise invalid(f"No values in '{ROWS}' array")
    named = isinstance(rows[0], dict) and not is_base64(rows[0])
    if not named:
        if len(signature.inputs) > 1:
            raise invalid(
                f"{ROWS} is a plain list, but expecting list of objects as multiple input tensors "
                f"required as per tensorinfo_map: {', '.join(signature.inputs)}"
            )
        ((name, spec),) = signature.inputs.items()
        return {name: array_from_json(rows, spec.dtype)}
    for number, row in enumerate(rows):
        if not isinstance(row, dict) or is_base64(row):
            raise invalid(f"Expecting object but got {shown(row)} at item {number} of input list")
        if row.keys() != signature.inputs.keys():
            raise invalid(
                f"Failed to process element: {number} of '{ROWS}' list. JSON object: {shown(row)} "
                f"keys must be equal to: {','.join(signature.inputs)}"
            )
    return {
        name: _column(name, [row[name] for row in rows], spec.dtype)
        for name, spec in signature.inputs.items()
    }


def _from_columns(columns: Any, signature: Signature) -> dict[str, np.ndarray]:
    if not isinstance(columns, dict) or is_base64(columns):
        if len(signature.inputs) > 1:
            raise invalid(
                f"{COLUMNS} is a plain value/list, but expecting an object as multiple input "
                f"tensors required as per tensorinfo_map: {', '.join(signature.inputs)}"
            )
        columns = {next(iter(signature.inputs)): columns}
    missing = [name for name in signature.inputs if name not in columns]
    if missing:
        raise invalid(f"Missing named input: {missing[0]} in '{COLUMNS}' object.")
    unknown = sorted(columns.keys() - signature.inputs.keys())
    if unknown:
        raise invalid(
            f"Unknown named input: {shown(unknown[0])} in '{COLUMNS}' object. "
            f"The signature takes: {', '.join(signature.inputs)}."
        )
    return {
        name: _column(name, columns[name], spec.dtype) for name, spec in signature.inputs.items()
    }


def _column(name: str, values: Any, dtype: Any) -> np.ndarray:
    try:
        return array_from_json(values, dtype)
    except ServingError as error:
        raise ServingError(error.code, f"`{name}`: {error.message}", error.http_status) from error


def write_answer(form: str, outputs: Mapping[str, np.ndarray]) -> bytes:
    """The JSON of an answer, in the format of its question.

    Args:
        form: `instances` or `inputs`.
        outputs: Arrays by output name; those named `*_bytes` are written as base64.

    Raises:
        ServingError: INVALID_ARGUMENT when rows are asked for and an output has none, or two
            differ in their number; when bytes that are not text have no name that says so.
    """
    values = {name: _listed(name, array) for name, array in sorted(outputs.items())}
    answer: Any
    if form == COLUMNS:
        answer = values if len(values) > 1 else next(iter(values.values()))
    else:
        sizes = {}
        for name, array in sorted(outputs.items()):
            if array.ndim == 0:
                raise invalid(f"Tensor name: {name} has no shape information ")
            sizes[name] = len(array)
        if len(set(sizes.values())) > 1:
            raise invalid(f"Tensors have inconsistent batch sizes: {sizes}")
        if len(values) > 1:
            rows = zip(*values.values(), strict=True)
            answer = [dict(zip(values, row, strict=True)) for row in rows]
        else:
            answer = next(iter(values.values()))
    return json.dumps({_ANSWER_KEY[form]: answer}, ensure_ascii=False).encode("utf-8")


def _listed(name: str, array: np.ndarray) -> Any:
    """Nested lists that JSON can carry."""
    flat: list[Any]
    if array.dtype == object:
        as_bytes = name.endswith("_bytes")
        flat = [_base64(one) if as_bytes else _text(name, one) for one in array.ravel()]
    elif array.dtype.kind in "iub":
        return array.tolist()
    elif array.dtype.itemsize < 8:  # the shortest decimals that read back as the same float32
        flat = [float(one) for one in array.astype(np.float32).ravel().astype("U")]
    else:
        return array.tolist()
    nested = np.empty(array.size, object)
    nested[:] = flat
    return nested.reshape(array.shape).tolist()


def _text(name: str, value: bytes) -> str:
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError as error:
        raise invalid(
            f"Output `{name}` holds bytes that are not UTF-8, which JSON cannot carry. Ask over "
            "gRPC, or export the output under a name that ends in `_bytes`."
        ) from error


def _base64(value: bytes) -> dict[str, str]:
    return {BASE64_KEY: base64.b64encode(value).decode("ascii")}
