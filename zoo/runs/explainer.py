"""Explanations of what a run recommends."""

from __future__ import annotations

import pandas as pd

from tfrec_fusion.argument_types import check_instance
from tfrec_fusion.zoo.answers.catalog_answers import Users
from tfrec_fusion.zoo.answers.explanation import TABLE, Explainer, Explanation
from tfrec_fusion.zoo.answers.questions import asked_users
from tfrec_fusion.zoo.protocols import reads_text
from tfrec_fusion.zoo.runs.run import RUN_REMEDY, Run
from tfrec_fusion.zoo.runs.run_texts import run_encoder


def explainer_of(run: Run, *, words: bool = True) -> Explainer:
    """Explains what a run recommends.

    Args:
        run: A trained run, whose model reads histories.
        words: Whether words are explained, too, where the model reads texts; its language model
            may have to be fetched.

    Raises:
        ValueError: When the model reads no history.
        PresetUnavailable: When the language model cannot be had.
    """
    check_instance(run, Run, "run", RUN_REMEDY)
    encoder = run_encoder(run) if words and reads_text(run.model) else None
    return Explainer(run.recommender, encoder)


def explained(
    run: Run, user_id: Users, item_id: str | None = None, *, words: bool = True
) -> Explanation | pd.DataFrame:
    """Explains an item for a user, or for each of several.

    Args:
        run: As of `explainer_of`.
        user_id: A user of the model; or several, as `CatalogAnswers.recommend` takes them.
        item_id: By default what is recommended first to each.
        words: As of `explainer_of`.

    Returns:
        The explanation of one user; of several one long table, see `Explanation.as_table`.
    """
    users, several = asked_users(user_id)
    explainer = explainer_of(run, words=words)
    found = [explainer.explain(user, item_id) for user in users]
    if not several:
        return found[0]
    tables = [one.as_table() for one in found]
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=TABLE)
