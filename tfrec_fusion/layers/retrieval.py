"""Query and candidate vectors → logits: over the whole catalog or over the batch."""

from __future__ import annotations

from typing import Any

import keras
import keras_rs
import numpy as np
from keras import ops

from tfrec_fusion.errors import InvalidInput
from tfrec_fusion.layers.precision import FullPrecision
from tfrec_fusion.saved_classes import formerly

_NEVER = -1e9  # a logit no softmax gives weight to


@keras.saving.register_keras_serializable("tfrec_fusion")
@formerly("CatalogueLogits")
class CatalogLogits(FullPrecision):
    """Every query against every item: `query · item / temperature + bias[item]`.

    Args:
        num_items: Size of the item vocabulary, the unseen index 0 included.
        temperature: Divides the dot products, positive.
        use_bias: Whether each item has a bias, such as its popularity.
        partial: Whether training excludes items (`set_candidates`): those without an event would
            always be negatives and only learn to be last. In training their logits are out of
            reach; otherwise they are scored like any other, times `stretch` plus `boost`.
        **kwargs: Arguments of `keras.layers.Layer`.

    Call arguments:
        query: `(..., dim)`.
        candidates: `(num_items, dim)`.

    Returns:
        `(..., num_items)`, float32 under any dtype policy.

    Raises:
        ValueError: When `temperature` is not positive.

    Example:

    >>> import numpy as np
    >>> CatalogLogits(num_items=3)(np.ones((2, 4)), np.ones((3, 4))).numpy()[0].tolist()
    [4.0, 4.0, 4.0]
    """

    def __init__(
        self,
        num_items: int,
        temperature: float = 1.0,
        use_bias: bool = True,
        partial: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if temperature <= 0:
            raise InvalidInput(f"`temperature` must be positive. Received: {temperature}.")
        self.num_items, self.temperature, self.use_bias = num_items, temperature, use_bias
        self.partial = partial
        if use_bias:
            self.bias = self.add_weight(name="bias", shape=(num_items,), initializer="zeros")
        if partial:
            self.takes_part = self.add_weight(
                name="takes_part", shape=(num_items,), initializer="ones", trainable=False
            )
            self.boost = self.add_weight(
                name="boost", shape=(num_items,), initializer="zeros", trainable=False
            )
            self.stretch = self.add_weight(
                name="stretch", shape=(), initializer="ones", trainable=False
            )

    def set_candidates(self, takes_part: Any, boost: Any = 0.0, stretch: float = 1.0) -> None:
        """Says which items take part in training.

        Args:
            takes_part: `(num_items,)`, 0 for those excluded.
            boost: Added to the logits of those excluded, but not in training; one number, or
                `(num_items,)`.
            stretch: What those logits are multiplied by before.

        Raises:
            ValueError: When the layer is not `partial` or the shape differs.
        """
        if not self.partial or np.shape(takes_part) != (self.num_items,):
            raise InvalidInput(
                f"`takes_part` must have the shape {(self.num_items,)} and the layer be "
                f"`partial`. Received: {np.shape(takes_part)}, partial={self.partial}."
            )
        self.takes_part.assign(np.asarray(takes_part, np.float32))
        self.boost.assign(np.broadcast_to(np.asarray(boost, np.float32), (self.num_items,)))
        self.stretch.assign(stretch)

    def build(self, query_shape: Any, candidates_shape: Any) -> None:
        """Nothing to make: weights have their sizes from the arguments."""
        self.built = True

    def call(self, query: Any, candidates: Any, training: bool | None = None) -> Any:
        """Computes what the class describes."""
        rows = ops.reshape(query / self.temperature, (-1, query.shape[-1]))
        offsets = [self.bias] if self.use_bias else []
        if self.partial:
            left_out = 1 - ops.convert_to_tensor(self.takes_part)
            offsets.append(left_out * (_NEVER if training else self.boost))
        column = ops.cast(sum(offsets[1:], offsets[0]), rows.dtype) if offsets else None
        if column is not None and training:
            # One product that carries the offsets: with many queries the logits are by far the
            # largest tensor of a step, and each pass over them costs as much as the product.
            rows = ops.concatenate([rows, ops.ones_like(rows[:, :1])], axis=1)
            candidates = ops.concatenate([candidates, column[:, None]], axis=1)
        logits = ops.matmul(rows, ops.transpose(candidates))  # (all queries, num_items)
        if column is not None and not training:
            if self.partial:
                logits *= ops.cast(1 + left_out * (self.stretch - 1), logits.dtype)
            logits = logits + column  # with few queries the candidates are the largest
        return ops.reshape(logits, (*ops.shape(query)[:-1], self.num_items))

    def get_config(self) -> dict[str, Any]:
        """The arguments to build it again."""
        names = ("num_items", "temperature", "use_bias", "partial")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}


# In `.keras` files weights lie under the names of the layers' classes: that of version 0.1.
CatalogLogits.__name__ = "CatalogueLogits"


@keras.saving.register_keras_serializable("tfrec_fusion")
class InBatchLogits(FullPrecision):
    """Every query against the batch's candidates, its own candidate first.

    Row `i` of the dot products is corrected for how often each candidate is drawn
    (`logit - log p`, logQ: Yi et al. 2019), candidates with the id of row `i`'s positive are
    removed (accidental hits), and the positive is put in column 0. So the label is 0 for every
    row, and plain sparse categorical cross-entropy is the in-batch softmax loss, also when a
    `tf.distribute` strategy splits the batch: each replica then uses its own candidates.

    Args:
        temperature: Divides the dot products, positive.
        correct_sampling: Whether to apply the logQ correction.
        remove_accidental_hits: Whether a row ignores further copies of its positive.
        num_hard_negatives: Keeps only each row's highest-scored negatives; all by default.
        **kwargs: Arguments of `keras.layers.Layer`.

    Call arguments:
        query: `(batch, dim)`.
        candidate: `(batch, dim)`; row `i` is the positive of query `i`.
        candidate_id: `(batch,)` item indices.
        sampling_probability: `(batch,)` probability of drawing each candidate.

    Returns:
        `(batch, 1 + batch)` logits, or `(batch, 1 + num_hard_negatives)`; float32 under any dtype
        policy.

    Raises:
        ValueError: When `temperature` or `num_hard_negatives` is not positive.

    Example:

    >>> import numpy as np
    >>> vectors, ids = np.eye(2, dtype="float32"), np.array([1, 2])
    >>> layer = InBatchLogits(correct_sampling=False)
    >>> layer(vectors, vectors, ids, np.full(2, 0.5)).numpy()[0, 0].item()
    1.0
    """

    def __init__(
        self,
        temperature: float = 1.0,
        correct_sampling: bool = True,
        remove_accidental_hits: bool = True,
        num_hard_negatives: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if temperature <= 0:
            raise InvalidInput(f"`temperature` must be positive. Received: {temperature}.")
        if num_hard_negatives is not None and num_hard_negatives < 1:
            raise InvalidInput(
                "`num_hard_negatives` must be positive or None. "
                f"Received: num_hard_negatives={num_hard_negatives}."
            )
        self.temperature, self.correct_sampling = temperature, correct_sampling
        self.remove_accidental_hits = remove_accidental_hits
        self.num_hard_negatives = num_hard_negatives
        self.correction = keras_rs.layers.SamplingProbabilityCorrection(
            epsilon=1e-12, dtype=self.dtype_policy
        )

    def build(
        self,
        query_shape: Any,
        candidate_shape: Any,
        candidate_id_shape: Any,
        sampling_probability_shape: Any,
    ) -> None:
        """Nothing to make."""
        self.built = True

    def call(self, query: Any, candidate: Any, candidate_id: Any, sampling_probability: Any) -> Any:
        """Computes what the class describes."""
        logits = ops.matmul(query, ops.transpose(candidate)) / self.temperature  # (batch, batch)
        if self.correct_sampling:
            logits = self.correction(logits, ops.cast(sampling_probability, logits.dtype)[None, :])
        positive = ops.diagonal(logits)[:, None]
        number = ops.arange(ops.shape(logits)[0])
        excluded = number[:, None] == number[None, :]
        if self.remove_accidental_hits:
            same = candidate_id[:, None] == candidate_id[None, :]
            excluded = ops.logical_or(excluded, same)
        negatives = ops.where(excluded, ops.cast(_NEVER, logits.dtype), logits)
        if self.num_hard_negatives is not None:
            negatives = self._hardest(negatives)
        return ops.concatenate([positive, negatives], axis=1)

    def _hardest(self, negatives: Any) -> Any:
        """Each row's highest negatives; a batch too small for them is filled with none."""
        wanted = self.num_hard_negatives
        padded = ops.pad(negatives, ((0, 0), (0, wanted)), constant_values=_NEVER)
        return ops.top_k(padded, wanted)[0]  # (batch, num_hard_negatives)

    def get_config(self) -> dict[str, Any]:
        """The arguments to build it again."""
        names = (
            "temperature",
            "correct_sampling",
            "remove_accidental_hits",
            "num_hard_negatives",
        )
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}
