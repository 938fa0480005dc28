"""A new network takes over the weights of a trained one over some of its users and items."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tfrec_fusion.data.events import Events
from tfrec_fusion.training.carry_over import Carried, carry_over
from tfrec_fusion.zoo.protocols import KnowsEvents, ReadsText


def continue_from(
    trained: Any, model: Any, events: Events, read_texts: Callable[[], np.ndarray]
) -> tuple[list[Carried], str]:
    """Gives a model the weights of a trained one; new texts go into the space of the old.

    Args:
        trained: The trained network.
        model: A new one, of the same choices and more users or items.
        events: The events to be trained on.
        read_texts: Makes `(num_items, text_dim)` vectors of the items' texts, where it reads some.

    Returns:
        What was carried over, a row a weight, and a sentence about it.
    """
    old, new = (vars(one.config) for one in (trained, model))
    grown = {size: (old[size], new[size]) for size in old if old[size] != new[size]}
    carried = carry_over(trained, model, grown.values())
    if isinstance(model, ReadsText) and model.reads_text:
        model.place_texts(read_texts())
    if isinstance(model, KnowsEvents):
        model.set_known(events)
    kept, added = (sum(getattr(row, name) for row in carried) for name in ("kept", "new"))
    rows = [
        f"{new[size] - old[size]} {what}"
        for size, what in (("num_users", "users"), ("num_items", "items"))
        if size in new
    ]
    return carried, (
        f"{model.name}: {kept:,} values carried over, {added:,} are new, for {' and '.join(rows)}"
    )
