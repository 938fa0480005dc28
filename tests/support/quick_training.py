"""Small trainings without what costs more than they do. A module imports the fixtures it wants."""

import functools

import pytest
import tensorflow as tf

from tfrec_fusion.text.encoding import item_vectors
from tfrec_fusion.training.fit import fit


def eagerly(*arguments, **choices):
    """Trains without graphs: to trace one costs more than a few steps."""
    tf.config.run_functions_eagerly(True)
    try:
        return fit(*arguments, **choices)
    finally:
        tf.config.run_functions_eagerly(False)


@pytest.fixture(scope="module", autouse=True)
def without_graphs():
    """`zoo.train` trains eagerly."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tfrec_fusion.zoo.runs.network_trainer.fit", eagerly)
        yield


@pytest.fixture(scope="module", autouse=True)
def without_pictures():
    """Reports have their tables and no pictures."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("metric_bars", "learning_curves"):
            patch.setattr(f"tfrec_fusion.evaluation.page.{name}", lambda *_: "<svg></svg>")
        yield


@pytest.fixture(scope="module", autouse=True)
def one_encoder():
    """A frozen language model is read, and its tokenizer traced, once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(item_vectors, "item_encoder", functools.cache(item_vectors.item_encoder))
        yield
