"""How many of the users and items that requests name the model does not know.

Counted from answers, which say so themselves: `source` by row, `unknown_item_ids` by list. Nothing
here keeps an id. A user id that is empty names nobody, and a history without an id is empty:
neither is unknown.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from tfrec_fusion.serving.export.sources import NEW_USER, NO_ANSWER, POPULARITY
from tfrec_fusion.serving.local.signatures import Signature

OUTPUTS = ("source", "unknown_item_ids")  # what is read of an answer
COUNTS = {
    "users_asked": "Users that requests named and that were answered.",
    "unknown_users": "Those of them that the model does not know.",
    "items_asked": "Items that requests named: alone, in histories, to exclude or to allow.",
    "unknown_items": "Those of them that the model does not know.",
    "histories_asked": "Histories that were answered, empty ones included.",
    "empty_histories": "Those of them that name no item.",
    "unknown_histories": "Those of them that name items, none of which the model knows.",
}
_LISTS = ("item_ids", "exclude_item_ids", "allow_item_ids")
_RANKS = {"user_id": (1,), "item_id": (1,), "source": (1, 2)}
_RANKS |= dict.fromkeys((*_LISTS, "unknown_item_ids"), (2,))
_NOTHING = NO_ANSWER.encode()
_UNKNOWN = [POPULARITY.encode(), NEW_USER.encode()]


def told_by(signature: Signature) -> tuple[set[str], set[str]]:
    """The inputs and outputs that a signature's requests are counted by; none of other models'."""
    inputs, outputs = (
        {
            name
            for name, spec in specs.items()
            if spec.dtype.name == "string" and len(spec.shape or ()) in _RANKS.get(name, ())
        }
        for specs in (signature.inputs, signature.outputs)
    )
    return inputs - set(OUTPUTS), outputs & set(OUTPUTS)


def drift_counts(
    inputs: Mapping[str, np.ndarray], outputs: Mapping[str, np.ndarray]
) -> dict[str, int]:
    """Counts what an answered request named.

    Args:
        inputs: Of the request, those of `told_by`; strings are object arrays of bytes.
        outputs: Of its answer, likewise.

    Returns:
        By names of `COUNTS`, those that the signature's inputs and outputs tell of. A row without
        an answer, whose source is empty, does not tell whether the user is known and is not
        counted as one; of an `item_id` it tells that the item is unknown.

    Example:

    >>> inputs = {"user_id": np.array([b"ann", b"nobody", b""], object)}
    >>> source = np.array([[b"model"], [b"popularity"], [b"popularity"]], object)
    >>> drift_counts(inputs, {"source": source})
    {'users_asked': 2, 'unknown_users': 1}
    """
    found: dict[str, int] = {}
    if "unknown_item_ids" in outputs:
        lists = [inputs[name] for name in _LISTS if name in inputs]
        found["items_asked"] = sum(_number(one != _NOTHING) for one in lists)
        found["unknown_items"] = _number(outputs["unknown_item_ids"] != _NOTHING)
    if "source" not in outputs or {len(one) for one in inputs.values()} != {len(outputs["source"])}:
        return found
    # Answers stand in front: a row whose first cell is empty has none.
    source = outputs["source"]
    source = source[:, 0] if source.ndim == 2 else source  # (batch,)
    unknown, answered = np.isin(source, _UNKNOWN), source != _NOTHING
    if "user_id" in inputs:
        named = answered & (inputs["user_id"] != _NOTHING)
        found |= {"users_asked": _number(named), "unknown_users": _number(named & unknown)}
    if "item_id" in inputs:
        named = inputs["item_id"] != _NOTHING
        found |= {"items_asked": _number(named), "unknown_items": _number(named & ~answered)}
    if "item_ids" in inputs:
        named = (inputs["item_ids"] != _NOTHING).any(axis=1)
        found["histories_asked"] = len(named)
        found["empty_histories"] = _number(~named)
        found["unknown_histories"] = _number(named & unknown)
    return found


def _number(cells: np.ndarray) -> int:
    return int(np.count_nonzero(cells))
