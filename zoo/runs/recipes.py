"""How each neural model of the zoo is trained: its batches, its loss, its optimizer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import keras
import tensorflow as tf

from tfrec_fusion.data.batches.candidates import candidates
from tfrec_fusion.data.batches.pair_tasks import pair_tasks
from tfrec_fusion.data.batches.pairs import pairs, pointwise
from tfrec_fusion.data.batches.sequences import sequences
from tfrec_fusion.data.events import Events
from tfrec_fusion.errors import InvalidInput
from tfrec_fusion.losses import SmoothedSoftmax

CLICK_NEGATIVES = 8  # for each positive
ORDER_JITTER = 4  # places an event may move, so that a sitting's order is not learned by heart
BatchMaker = Callable[[Any, Events, int, int], tf.data.Dataset]


@dataclass(frozen=True)
class Recipe:
    """The training of one model; every number was chosen on validation data.

    Attributes:
        batches: `(model, events, batch_size, seed)` → the data set the model learns from.
        loss: Makes the loss of the output `logits`, given the labels' smoothing.
        epochs: The most epochs.
        batch_size: In what `batches` counts: samples, pairs, or windows of full length.
        learning_rate: Of AdamW (Loshchilov and Hutter 2019).
        weight_decay: Of AdamW.
        jit_compile: Whether XLA compiles the step; it pays for many small layers of one shape.
        decay: Whether the learning rate rises over half an epoch and then falls along a half
            cosine to zero at the last step, instead of staying the same.
        patience: Validations without a better NDCG@10 before training stops; None: never.
        validate_every: Epochs between validations.
        monitor: The metric of the next item, or click, that chooses epochs: `"ndcg@10"`, or
            `"auc"` for a model of clicks.
    """

    batches: BatchMaker
    loss: Callable[[float], keras.losses.Loss]
    epochs: int
    batch_size: int
    learning_rate: float
    weight_decay: float = 0.0
    jit_compile: bool = False
    decay: bool = False
    patience: int | None = 5
    validate_every: int = 1
    monitor: str = "ndcg@10"

    def losses(self, model: Any, label_smoothing: float = 0.0) -> dict[str, keras.losses.Loss]:
        """A loss for each output of a model."""
        return {
            name: self.loss(label_smoothing) if name == "logits" else TASK_LOSSES[name]()
            for name in model.output
        }

    def optimizer(self, steps_per_epoch: int) -> keras.optimizers.Optimizer:
        """A new optimizer for `epochs` epochs of so many batches."""
        rate: float | keras.optimizers.schedules.LearningRateSchedule = self.learning_rate
        if self.decay:
            rising = max(1, steps_per_epoch // 2)
            falling = max(1, self.epochs * steps_per_epoch - rising)
            rate = keras.optimizers.schedules.CosineDecay(
                0.0, falling, warmup_target=self.learning_rate, warmup_steps=rising
            )
        return keras.optimizers.AdamW(rate, weight_decay=self.weight_decay)


def _clicks(model: Any, events: Events, batch_size: int, seed: int) -> tf.data.Dataset:
    return pointwise(events, negatives=CLICK_NEGATIVES, batch_size=batch_size, seed=seed)


def _next_items(model: Any, events: Events, batch_size: int, seed: int) -> tf.data.Dataset:
    return sequences(
        events,
        history_length=model.config.history_length,
        jitter=ORDER_JITTER,
        batch_size=batch_size,
        seed=seed,
        user_ids=model.config.reads_user_id,
    )


def _pair_tasks(model: Any, events: Events, batch_size: int, seed: int) -> tf.data.Dataset:
    config = model.config
    reviews = model.read_reviews(events.text) if config.reads_reviews else None
    made = pair_tasks(
        events,
        reviews,
        pairs=config.pairs,
        good_rating=config.good_rating,
        history_length=config.history_length,
        jitter=ORDER_JITTER,
        batch_size=batch_size,
        seed=seed,
    )
    names = set(model.output)

    def of_the_model(x: Any, y: Any, weight: Any) -> Any:
        return x, *({name: one[name] for name in one if name in names} for one in (y, weight))

    return made.map(of_the_model)


def _evidence(model: Any, events: Events, batch_size: int, seed: int) -> tf.data.Dataset:
    config, names = model.config, set(model.output)
    made = candidates(
        events,
        negatives=config.negatives,
        history_length=config.history_length,
        batch_size=batch_size,
        seed=seed,
    )
    of_users, of_items = tf.constant(model.user_words), tf.constant(model.item_words)

    def with_tasks(x: Any, label: tf.Tensor) -> Any:
        y = {"logits": label, "behaviour": label}
        y["profile"] = tf.gather(of_users, x["user_id"])
        y["semantics"] = tf.gather(of_items, x["item_id"][:, 0])
        read = {name: x[name] for name in x if name in model.input}
        return read, {name: y[name] for name in y if name in names}

    return made.map(with_tasks)


def _in_batch(model: Any, events: Events, batch_size: int, seed: int) -> tf.data.Dataset:
    length = model.config.history_length if model.config.reads_history else None
    made = pairs(events, history_length=length, batch_size=batch_size, seed=seed)
    if model.config.reads_user_id:
        return made
    return made.map(lambda x, y: ({name: x[name] for name in x if name != "user_id"}, y))


def _items_of_users(model: Any, events: Events, batch_size: int, seed: int) -> tf.data.Dataset:
    made = pairs(events, batch_size=batch_size, seed=seed)
    return made.map(lambda x, _: ({"user_id": x["user_id"]}, x["item_id"]))


def _binary(label_smoothing: float = 0.0) -> keras.losses.Loss:
    return keras.losses.BinaryCrossentropy(from_logits=True, label_smoothing=label_smoothing)


def _softmax(label_smoothing: float = 0.0) -> keras.losses.Loss:
    if label_smoothing:
        return SmoothedSoftmax(label_smoothing)
    return keras.losses.SparseCategoricalCrossentropy(from_logits=True)


TASK_LOSSES: dict[str, Callable[[], keras.losses.Loss]] = {
    "rating": keras.losses.MeanSquaredError,
    "sentiment": _binary,
    "next_token": _softmax,
    "profile": _binary,
    "semantics": _binary,
    "behaviour": _binary,
}


CLICKS = Recipe(
    _clicks, _binary, epochs=30, batch_size=8192, learning_rate=8e-3, patience=4, jit_compile=True
)
# The branches are trained already: few epochs, small steps.
CLICKS_FROM_BRANCHES = replace(CLICKS, epochs=15, learning_rate=5e-4)
NEXT_ITEMS = Recipe(
    _next_items,
    _softmax,
    epochs=36,
    batch_size=16,
    learning_rate=2e-3,
    weight_decay=0.01,
    patience=4,
    validate_every=2,
)
# Small batches and a falling rate: fewer epochs, and on validation better, where there is
# text to lean on. Without text the two-tower model was better off with the constant rate.
NEXT_ITEMS_WITH_TEXT = replace(
    NEXT_ITEMS,
    epochs=16,
    batch_size=4,
    learning_rate=4e-3,
    weight_decay=0.03,
    decay=True,
    patience=None,
)
# The same, with further tasks on some of the events.
TASKS = replace(NEXT_ITEMS_WITH_TEXT, batches=_pair_tasks)
# The rest of the model is trained already, and every step reads the whole catalogue's texts: few
# epochs of few, large steps.
TUNED_TEXT = replace(NEXT_ITEMS, epochs=4, batch_size=64, learning_rate=5e-4, validate_every=1)
EVIDENCE = Recipe(
    _evidence,
    _binary,
    epochs=20,
    batch_size=128,
    learning_rate=2e-3,
    weight_decay=0.01,
    patience=4,
    monitor="auc",
)
IN_BATCH = Recipe(_in_batch, _softmax, epochs=40, batch_size=1024, learning_rate=1e-3)
ITEMS_OF_USERS = Recipe(_items_of_users, _softmax, epochs=40, batch_size=1024, learning_rate=1e-3)


_RECIPES = {"multi_task": TASKS, "profile_semantics_behaviour": EVIDENCE}


def recipe_for(model: str, config: Any, *, from_branches: bool = False) -> Recipe:
    """The recipe of a neural model.

    Args:
        model: A name of the zoo.
        config: The model's config, which says what it reads.
        from_branches: Whether a NeuMF starts from a trained GMF and MLP.

    Raises:
        ValueError: When the model is not trained by gradients.
    """
    if model in ("gmf", "mlp", "neumf"):
        return CLICKS_FROM_BRANCHES if from_branches else CLICKS
    if model in _RECIPES:
        return _RECIPES[model]
    hybrid = model in ("gpt2_hybrid", "knowledge_hybrid")
    if hybrid and config.head == "ncf":
        return CLICKS
    if hybrid and config.tunes_text and config.reads_history:
        return TUNED_TEXT
    if model != "two_tower" and not hybrid:
        raise InvalidInput(
            f"`model` has no recipe: it is not trained by gradients. Got: {model!r}."
        )
    if config.negatives == "in_batch":
        return IN_BATCH
    if not config.reads_history:
        return ITEMS_OF_USERS
    return NEXT_ITEMS_WITH_TEXT if hybrid else NEXT_ITEMS
