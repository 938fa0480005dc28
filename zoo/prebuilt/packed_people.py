"""The personal data that a published model packs, and the consent to it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tfrec_fusion.errors import InvalidInput
from tfrec_fusion.zoo.runs.run import Run


def packed_people(run: Run) -> str:
    """Describes the personal data that goes into the package with a run."""
    known = run.recommender.known
    num_users = len(np.unique(known.user[known.user > 0]))
    words = ", and the words of their texts" if run.interests is not None else ""
    return (
        f"{len(known):,} events of {num_users:,} users, with the users' ids, the times and the "
        f"ratings{words}"
    )


def check_agreed(run: Run, agreed: bool, ask: Callable[[str], bool]) -> None:
    """Refuses to pack people's events without consent.

    Args:
        run: What is to be published.
        agreed: Whether the caller said so already.
        ask: Called otherwise with what is packed; True is a yes.

    Raises:
        InvalidInput: With what would be packed, and how to agree.
    """
    if not agreed and not ask(packed := packed_people(run)):
        raise InvalidInput(
            f"The package would hold {packed}; whoever gets it can read them. Nothing was "
            "written. Where that is allowed, publish with `include_events=True`, on the command "
            "line --with-events. An export `--without-users` holds none of it."
        )
