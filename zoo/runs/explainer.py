"""Explanations of what a run recommends."""

from __future__ import annotations

from tfrec_fusion.argument_types import check_instance
from tfrec_fusion.text.encoding.item_vectors import item_encoder
from tfrec_fusion.zoo.answers.explanation import Explainer
from tfrec_fusion.zoo.protocols import reads_text
from tfrec_fusion.zoo.runs.language_models import check_language_models
from tfrec_fusion.zoo.runs.run import RUN_REMEDY, Run


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
    encoder = None
    if words and reads_text(run.model):
        check_language_models(run.info, run.folder)
        options = run.info["options"]
        encoder = item_encoder(options["text_preset"], options["text_length"])
    return Explainer(run.recommender, encoder)
