"""Text vectors of a vocabulary inside a model, in a space where they compare well."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops

from tfrec_fusion.errors import InvalidInput
from tfrec_fusion.layers.table import Table

_SHARES = (0.5, 0.8, 0.95, 1.0)  # of the catalog, by length: short texts are not padded to long


@keras.saving.register_keras_serializable("tfrec_fusion")
class TextTable(Table):
    """Every row's text vector, centered and half-whitened, as constants kept with the weights.

    Vectors of a language model lie in a narrow cone, and a few directions drown the others. So
    the mean is taken off and the principal components are divided by the square root of their
    deviation: half of whitening (Su et al. 2021, https://arxiv.org/abs/2103.15316, take all of
    it). Vectors are then scaled to length 1; a row without text is zero.

    Args:
        num_rows: Size of the vocabulary, the unseen index 0 included.
        text_dim: Size of the text vectors.
        components: Principal components that are kept.
        **kwargs: Arguments of `keras.layers.Layer`.

    Call arguments:
        index: Indices of any shape.
        catalog: Whether to return every row's vector; see `all_rows`.

    Returns:
        `index.shape + (components,)`, or `(num_rows, components)` with `catalog`.

    Raises:
        ValueError: For sizes out of range.

    Example:

    >>> table = TextTable(num_rows=5, text_dim=8, components=3)
    >>> table.set_texts(np.random.default_rng(0).normal(size=(5, 8)))
    >>> table(np.array([[1, 4]])).shape
    TensorShape([1, 2, 3])
    """

    def __init__(self, num_rows: int, text_dim: int, components: int = 64, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if num_rows < 2 or not 1 <= components <= text_dim:
            raise InvalidInput(
                "`num_rows` must be at least 2 and `components` between 1 and `text_dim`. "
                f"Received: num_rows={num_rows}, components={components}, text_dim={text_dim}."
            )
        self.num_rows, self.text_dim, self.components = num_rows, text_dim, components
        shapes = {
            "vectors": (num_rows, components),
            "mean": (text_dim,),
            "projection": (text_dim, components),
        }
        self.vectors, self.mean, self.projection = (
            self.add_weight(
                name=name, shape=shape, initializer="zeros", trainable=False, autocast=False
            )
            for name, shape in shapes.items()
        )

    def set_texts(self, texts: np.ndarray) -> None:
        """Sets the rows, and the space they span.

        Args:
            texts: `(num_rows, text_dim)` vectors; a row of zeros, and row 0, is no text.

        Raises:
            ValueError: When the shape differs, a value is not finite, or no row has a text.
        """
        rows = np.asarray(texts, np.float64)
        expected = (self.num_rows, self.text_dim)
        if rows.shape != expected:
            raise InvalidInput(f"`texts` must have the shape {expected}. Received: {rows.shape}.")
        if not np.isfinite(rows).all():
            row = int(np.argwhere(~np.isfinite(rows))[0][0])
            raise InvalidInput(f"`texts` must be finite. Received: NaN or infinity in row {row}.")
        there = np.any(rows != 0, axis=1)
        there[0] = False
        if not there.any():
            raise InvalidInput(
                "`texts` holds no text: all rows are zero. Give texts, or build without."
            )
        mean = rows[there].mean(0)
        _, deviations, axes = np.linalg.svd(rows[there] - mean, full_matrices=False)
        deviations = deviations / np.sqrt(there.sum())
        kept = deviations[: self.components] > 1e-6 * deviations[0]
        number = int(kept.sum())
        projection = np.zeros((self.text_dim, self.components))
        projection[:, :number] = axes[:number].T / np.sqrt(deviations[:number])
        self.mean.assign(mean)
        self.projection.assign(projection)
        self.place_texts(rows)

    def place_texts(self, texts: np.ndarray) -> None:
        """Sets the rows and leaves the space as it is, such as that of a model that goes on.

        Args:
            texts: `(num_rows, text_dim)` vectors; a row of zeros, and row 0, is no text.
        """
        rows = np.asarray(texts, np.float64)
        there = np.any(rows != 0, axis=1)
        there[0] = False
        vectors = ops.convert_to_numpy(self.vectors_of_text(rows.astype(np.float32)))
        self.vectors.assign(np.where(there[:, None], vectors, 0))

    def vectors_of_text(self, texts: Any) -> Any:
        """Texts that are in no vocabulary, in the table's space.

        Args:
            texts: `(batch, text_dim)` vectors of the same text encoder.

        Returns:
            `(batch, components)`, each of length 1, or 0 where it is the mean text.
        """
        mean, projection = ops.cast(self.mean, "float32"), ops.cast(self.projection, "float32")
        centered = ops.matmul(ops.cast(texts, "float32") - mean, projection)
        return centered / (ops.norm(centered, axis=-1, keepdims=True) + 1e-9)

    def call(self, index: Any, catalog: bool = False) -> Any:
        """Computes what the class describes."""
        rows = ops.convert_to_tensor(self.vectors)
        rows = rows if catalog else ops.take(rows, index, axis=0)
        return ops.cast(rows, self.compute_dtype)

    def get_config(self) -> dict[str, Any]:
        """The arguments to build it again."""
        names = ("num_rows", "text_dim", "components")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}


@keras.saving.register_keras_serializable("tfrec_fusion")
class EncodedTable(TextTable):
    """A `TextTable` whose vectors a language model makes anew in every step, so that it is tuned.

    The space (mean and projection) stays that of the vectors given to `set_texts`; what moves in
    it is the language model. With `catalog` every row is encoded, once a step: for catalogs
    of some thousand short texts. They are read in groups of like length, each padded to its own
    longest text only.

    Args:
        num_rows: Size of the vocabulary, the unseen index 0 included.
        text_dim: Size of the tower's vectors.
        components: Principal components that are kept.
        tower: `tower(token_ids (batch, length), num_tokens (batch,))` → `(batch, text_dim)`, such
            as `text.language_models.tower.TextTower`.
        length: Most tokens of a text.
        **kwargs: Arguments of `keras.layers.Layer`.

    Call arguments: as `TextTable`'s.

    Returns:
        As `TextTable`'s.
    """

    def __init__(
        self,
        num_rows: int,
        text_dim: int,
        components: int,
        tower: keras.layers.Layer,
        length: int,
        **kwargs: Any,
    ) -> None:
        super().__init__(num_rows, text_dim, components, **kwargs)
        self.tower, self.length = tower, length
        self.groups = [(num_rows, length)]
        self.place = self._tokens("place", (num_rows,))
        self.token_ids = self._tokens("token_ids", (num_rows, length))
        self.num_tokens = self._tokens("num_tokens", (num_rows,))

    def _tokens(self, name: str, shape: tuple[int, ...]) -> Any:
        return self.add_weight(
            name=name, shape=shape, dtype="int32", initializer="zeros", trainable=False
        )

    def set_tokens(self, token_ids: np.ndarray, num_tokens: np.ndarray) -> None:
        """Sets what the language model reads.

        Args:
            token_ids: `(num_rows, length)`, padded on the right.
            num_tokens: `(num_rows,)`; 0, also for row 0, is no text.

        Raises:
            ValueError: When a shape differs.
        """
        expected = ((self.num_rows, self.length), (self.num_rows,))
        received = (np.shape(token_ids), np.shape(num_tokens))
        if received != expected:
            raise InvalidInput(
                f"Token ids and their numbers must have the shapes {expected}. "
                f"Received: {received}."
            )
        numbers = np.where(np.arange(self.num_rows) > 0, num_tokens, 0)
        # The rows are kept in order of length, and `place` says where each one is.
        order = np.argsort(numbers, kind="stable")
        self.token_ids.assign(np.asarray(token_ids)[order])
        self.num_tokens.assign(numbers[order])
        self.place.assign(np.argsort(order))
        self._group()

    def _group(self) -> None:
        """`(rows, width)` of each group of like length."""
        numbers = ops.convert_to_numpy(self.num_tokens)
        ends = np.unique(np.ceil(np.array(_SHARES) * self.num_rows).astype(int))
        widths = np.maximum(numbers[ends - 1], 1)
        rows = np.diff(ends, prepend=0)
        self.groups = list(zip(rows.tolist(), widths.tolist(), strict=True))

    def load_own_variables(self, store: Any) -> None:
        """As every layer, and finds the groups again."""
        super().load_own_variables(store)
        self._group()

    def call(self, index: Any, catalog: bool = False, training: bool | None = None) -> Any:
        """Computes what the class describes."""
        if not catalog:
            place = ops.take(self.place, ops.reshape(index, (-1,)), axis=0)
            ids, numbers = (
                ops.take(one, place, axis=0) for one in (self.token_ids, self.num_tokens)
            )
            rows = self._read(ids, numbers, training)
            return ops.reshape(rows, (*ops.shape(index), self.components))
        found, start = [], 0
        for rows, width in self.groups:
            part = slice(start, start + rows)
            found.append(self._read(self.token_ids[part, :width], self.num_tokens[part], training))
            start += rows
        return ops.take(ops.concatenate(found, axis=0), self.place, axis=0)

    def _read(self, ids: Any, numbers: Any, training: bool | None) -> Any:
        found = self.vectors_of_text(self.tower(ids, numbers, training=training))
        there = ops.cast(numbers > 0, found.dtype)[..., None]
        return ops.cast(found * there, self.compute_dtype)

    def get_config(self) -> dict[str, Any]:
        """The arguments to build it again."""
        tower = keras.saving.serialize_keras_object(self.tower)
        return {**super().get_config(), "tower": tower, "length": self.length}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> EncodedTable:
        """Builds it again, the tower included."""
        tower = keras.saving.deserialize_keras_object(config["tower"])
        return cls(**{**config, "tower": tower})


@keras.saving.register_keras_serializable("tfrec_fusion")
class TextProfile(keras.layers.Layer):
    """Profile of a history's texts: their mean so far, times a learned strength.

    `profile_t = strength · mean(text_1 … text_t)`, so that `profile · text_i` is the mean cosine
    of item `i` with the history (Rocchio's profile, as in `zoo.baselines.tfidf`), in units of
    logits. One number is learned, so a cold-start item is matched as well as any other.

    Args:
        strength: The start of the learned strength.
        **kwargs: Arguments of `keras.layers.Layer`.

    Call arguments:
        texts: `(batch, steps, components)` vectors of length 1, or 0 where there is no text.
        valid: `(batch, steps)` bool, False where there is no item.
        last: Whether only the whole history's profile is wanted, as in serving.

    Returns:
        `(batch, steps, components)`, or `(batch, components)` with `last`.

    Example:

    >>> texts = np.array([[[1.0, 0.0], [0.0, 1.0]]], "float32")
    >>> TextProfile(strength=2.0)(texts, np.array([[True, True]])).numpy().tolist()
    [[[2.0, 0.0], [1.0, 1.0]]]
    """

    def __init__(self, strength: float = 4.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.strength = strength
        self.scale = self.add_weight(
            name="scale", shape=(), initializer=keras.initializers.Constant(strength)
        )

    def build(self, texts_shape: Any, valid_shape: Any) -> None:
        """Nothing to make: weights have their sizes from the arguments."""
        self.built = True

    def call(self, texts: Any, valid: Any, last: bool = False) -> Any:
        """Computes what the class describes."""
        # Counted in float32: bfloat16 holds whole numbers up to 256, a history may be longer.
        there = ops.cast(valid, "float32")[..., None]  # (batch, steps, 1)
        added = ops.sum if last else ops.cumsum
        total = added(ops.cast(texts, "float32") * there, axis=1)
        number = ops.maximum(added(there, axis=1), 1)
        return ops.cast(ops.cast(self.scale, "float32") * total / number, self.compute_dtype)

    def get_config(self) -> dict[str, Any]:
        """The arguments to build it again."""
        return {**super().get_config(), "strength": self.strength}
