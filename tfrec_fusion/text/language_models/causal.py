"""Training a small GPT-2 on sequences of tokens: the network, the schedule, held-out loss.

Radford et al., Language Models are Unsupervised Multitask Learners (2019).
"""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import keras_hub
import numpy as np

from tfrec_fusion.errors import InvalidInput
from tfrec_fusion.progress import progress_bar, tell_progress
from tfrec_fusion.text.language_models.blocks import PackedBlocks, model_inputs, windows

MEASURED_TOKENS = 4096
# Gains, shifts and embeddings are not decayed: they have no scale that decay would keep small.
NOT_DECAYED = ["bias", "beta", "gamma", "embedding"]


@dataclass(frozen=True)
class GPT2Size:
    """How large a GPT-2 is.

    Attributes:
        vocabulary_size: Tokens, the 256 bytes and the end of a text among them.
        num_layers: Transformer blocks.
        num_heads: Attention heads a block; must divide `hidden_dim`.
        hidden_dim: Length of a token's vector.
        intermediate_dim: Width of a block's inner dense layer; four times `hidden_dim` by default.
        max_length: Tokens the model has positions for, which is also what a training block holds.
        dropout: Share of values dropped in training.

    Raises:
        ValueError: When a size is out of its range.

    Example:
    >>> GPT2Size(num_layers=2, num_heads=2, hidden_dim=32).backbone().count_params()
    160640
    """

    vocabulary_size: int = 4096
    num_layers: int = 4
    num_heads: int = 4
    hidden_dim: int = 128
    intermediate_dim: int | None = None
    max_length: int = 128
    dropout: float = 0.1

    def __post_init__(self) -> None:
        whole = ("num_layers", "num_heads", "hidden_dim", "intermediate_dim")
        _check_at_least(self, {**dict.fromkeys(whole, 1), "max_length": 2, "dropout": 0})
        if self.hidden_dim % self.num_heads:
            raise InvalidInput(
                "`num_heads` must divide `hidden_dim`. "
                f"Received: num_heads={self.num_heads}, hidden_dim={self.hidden_dim}."
            )
        if self.dropout >= 1:
            raise InvalidInput(f"`dropout` must be below 1. Received: {self.dropout}.")

    def backbone(self) -> keras_hub.models.GPT2Backbone:
        """The untrained network: `(batch, length)` tokens to `(batch, length, hidden_dim)`."""
        return keras_hub.models.GPT2Backbone(
            vocabulary_size=self.vocabulary_size,
            num_layers=self.num_layers,
            num_heads=self.num_heads,
            hidden_dim=self.hidden_dim,
            intermediate_dim=self.intermediate_dim or 4 * self.hidden_dim,
            dropout=self.dropout,
            max_sequence_length=self.max_length,
        )


@dataclass(frozen=True)
class Schedule:
    """How a GPT-2 is trained: AdamW, a warm-up, then a cosine down to 0.

    Attributes:
        epochs: The most passes over the training texts; the cosine ends with the last.
        patience: Epochs without a better validation loss after which to stop.
        batch_size: Blocks of `max_length` tokens a step.
        learning_rate: At its highest.
        warm_up: Share of the steps in which the learning rate rises.
        weight_decay: Of the kernels.
        max_norm: Gradients longer than this, all together, are shortened to it.

    Raises:
        ValueError: When a value is out of its range.
    """

    epochs: int = 10
    patience: int = 1
    batch_size: int = 16
    learning_rate: float = 2e-3
    warm_up: float = 0.05
    weight_decay: float = 0.1
    max_norm: float = 1.0

    def __post_init__(self) -> None:
        least = {"epochs": 1, "patience": 1, "batch_size": 1, "warm_up": 0, "weight_decay": 0}
        _check_at_least(self, least)
        for name in ("learning_rate", "max_norm"):
            if not 0 < getattr(self, name) < math.inf:
                raise InvalidInput(
                    f"`{name}` must be more than 0. Received: {getattr(self, name)}."
                )
        if self.warm_up >= 1:
            raise InvalidInput(f"`warm_up` must be below 1. Received: {self.warm_up}.")

    def optimizer(self, steps_per_epoch: int) -> keras.optimizers.Optimizer:
        """AdamW for this many steps an epoch."""
        steps = self.epochs * steps_per_epoch
        rising = int(self.warm_up * steps)
        rate = keras.optimizers.schedules.CosineDecay(
            initial_learning_rate=0.0 if rising else self.learning_rate,
            decay_steps=max(1, steps - rising),
            warmup_target=self.learning_rate if rising else None,
            warmup_steps=rising,
        )
        optimizer = keras.optimizers.AdamW(
            rate, weight_decay=self.weight_decay, beta_2=0.98, global_clipnorm=self.max_norm
        )
        optimizer.exclude_from_weight_decay(var_names=NOT_DECAYED)
        return optimizer


@dataclass(frozen=True)
class Training:
    """A training's outcome.

    Attributes:
        network: The language model with the best epoch's weights; its `backbone` is the GPT-2.
        history: `loss` and `val_loss`, nats a token, one value an epoch.
        best_epoch: That epoch, counted from 1.
        seconds: Wall time.
    """

    network: keras_hub.models.GPT2CausalLM
    history: dict[str, list[float]]
    best_epoch: int
    seconds: float


def train_gpt2(
    train: Sequence[np.ndarray],
    validation: Sequence[np.ndarray],
    size: GPT2Size,
    schedule: Schedule,
    *,
    seed: int = 0,
    progress: bool = True,
) -> Training:
    """Trains a GPT-2 from scratch to predict each next token; the embedding also gives the logits.

    Args:
        train: Token ids of texts, each beginning and ending with the end token.
        validation: The same of other texts, whose loss says when to stop.
        size: How large the model is.
        schedule: How it is trained.
        seed: Seeds Python, NumPy and TensorFlow.
        progress: Shows a bar in a terminal or notebook, and elsewhere a line on stderr an epoch.

    Raises:
        ValueError: When the texts do not fill one block, or the loss diverges.
    """
    keras.utils.set_random_seed(seed)
    batches = PackedBlocks(train, size.max_length, schedule.batch_size, seed)
    network = keras_hub.models.GPT2CausalLM(backbone=size.backbone(), preprocessor=None)
    # KerasHub's own `fit` would look for texts to tokenize.
    trained = keras.Model(network.input, network.output)
    trained.compile(
        optimizer=schedule.optimizer(len(batches)),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        # XLA, or several steps a call, take longer to compile on a CPU than they save: a step's
        # matrix products are large enough.
        jit_compile=False,
    )
    # Variables made here rather than in the first step, which would be traced twice for them.
    trained.optimizer.build(trained.trainable_variables)
    stopping = keras.callbacks.EarlyStopping(
        "val_loss", patience=schedule.patience, mode="min", restore_best_weights=True
    )
    began = time.monotonic()
    steps = schedule.epochs * len(batches)
    with progress_bar(show=progress, total=steps, unit="step") as bar:
        tells = progress and bar.disable
        watch = _Watch(TokenNats(network, size.max_length), validation, bar, tells=tells)
        fitted = trained.fit(
            batches, epochs=schedule.epochs, shuffle=False, verbose=0, callbacks=[watch, stopping]
        )
    history = {name: [float(one) for one in values] for name, values in fitted.history.items()}
    seconds = round(time.monotonic() - began, 1)
    return Training(network, history, stopping.best_epoch + 1, seconds)


class TokenNats:
    """What each token of held-out texts costs a causal language model.

    Args:
        network: A model that gives logits, such as KerasHub's `GPT2CausalLM`.
        max_length: The most tokens it sees at once.
    """

    def __init__(self, network: keras.Model, max_length: int) -> None:
        self.max_length = max_length
        targets = keras.Input((None,), dtype="int32", name="targets")
        nats = keras.ops.sparse_categorical_crossentropy(targets, network.output, from_logits=True)
        self.model = keras.Model({**network.input, "targets": targets}, nats)

    def __call__(self, sequences: Sequence[np.ndarray]) -> np.ndarray:
        """Negative log-probability of every predicted token, one after the other, in nats.

        Each is predicted from the tokens before it in its own text, see `windows`.

        Args:
            sequences: Token ids, each beginning and ending with the end token.
        """
        tokens, targets, counted = windows(sequences, self.max_length)
        nats = self.model.predict(
            {**model_inputs(tokens), "targets": targets},
            batch_size=max(1, MEASURED_TOKENS // self.max_length),
            verbose=0,
        )
        return nats[counted]


class _Watch(keras.callbacks.Callback):
    """Adds the validation loss to an epoch's logs, moves the bar, refuses to go on with NaN."""

    def __init__(
        self, nats: TokenNats, validation: Sequence[np.ndarray], bar: Any, *, tells: bool
    ) -> None:
        super().__init__()
        self.nats, self.validation, self.bar, self.tells = nats, validation, bar, tells
        self.done = 0

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        self.done = 0

    def on_train_batch_end(self, batch: int, logs: Mapping[str, float] | None = None) -> None:
        self.bar.update(batch + 1 - self.done)
        self.done = batch + 1

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        logs = {} if logs is None else logs
        logs["val_loss"] = float(np.mean(self.nats(self.validation), dtype=np.float64))
        for name, value in logs.items():
            if not math.isfinite(value):
                raise InvalidInput(
                    f"{name} became {value} in epoch {epoch + 1}. Lower `learning_rate`."
                )
        shown = {name: f"{value:.3f}" for name, value in logs.items()}
        self.bar.set_postfix(shown)
        if self.tells:
            measured = ", ".join(f"{name}={value}" for name, value in shown.items())
            tell_progress(f"epoch {epoch + 1}/{self.params['epochs']}, {measured}")


def _check_at_least(one: GPT2Size | Schedule, least: Mapping[str, int]) -> None:
    values = dataclasses.asdict(one)
    for name, smallest in least.items():
        value = values[name]
        if value is not None and not smallest <= value < math.inf:
            raise InvalidInput(f"`{name}` must be at least {smallest}. Received: {value}.")
