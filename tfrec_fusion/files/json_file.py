"""JSON as this package writes it: UTF-8, each name once, numbers that are numbers."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from tfrec_fusion.errors import InvalidInput
from tfrec_fusion.files.regular import read_regular

MOST_BYTES = 2**30


def read_json(path: str | Path, most_bytes: int = MOST_BYTES) -> Any:
    """Reads a JSON file that may have been written by anybody.

    Args:
        path: The file.
        most_bytes: Refuses larger files.

    Raises:
        OSError: When it is missing or may not be read.
        InvalidInput: When it is no file, too large, not UTF-8, not JSON, names a key twice, holds
            NaN or an infinite number, or is nested too deep.

    Example:

    >>> import tempfile
    >>> file = Path(tempfile.mkdtemp()) / "a.json"
    >>> _ = file.write_text('{"a": [1.5, null]}')
    >>> read_json(file)
    {'a': [1.5, None]}
    """
    content = read_regular(path, most_bytes)
    try:
        return json.loads(
            content.decode("utf-8"),
            object_pairs_hook=_object,
            parse_float=_finite,
            parse_constant=_finite,
        )
    except RecursionError:
        raise InvalidInput(f"{path} is nested too deep.") from None
    except ValueError as error:  # no UTF-8, no JSON, a number of too many digits, and ours
        raise InvalidInput(f"{path} is no sound JSON: {error}") from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise InvalidInput(f"the name {twice!r:.60} occurs twice in one object.")
    return found


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise InvalidInput(f"numbers must be finite. Received: {text:.60}.")
    return number
