"""A tower over ids and texts: one vector an item or user from its id, its text, or both."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops

from tfrec_fusion.errors import InvalidInput
from tfrec_fusion.layers.fusion import fusion_layer
from tfrec_fusion.layers.table import Table


def _all_but_unseen(shape: Any, dtype: Any = None) -> Any:
    return ops.cast(ops.arange(shape[0]) > 0, dtype or "float32")


@keras.saving.register_keras_serializable("tfrec_fusion")
class FusedTower(Table):
    """Fuses an id embedding with a text vector, each only where there is one.

    `vector(i) = fusion(embedding[i] if known[i], text[i] if it is not zero)`. In training a
    known id's embedding is masked at random (`id_dropout`; DropoutNet: Volkovs et al. 2017), so
    that the text alone learns to stand for an item. An item without a training event is not
    known: its untrained embedding is never read, and it is represented by its text, or outside
    training by a vector it was given (`set_stand_ins`). Index 0, the unseen one, is never known,
    so texts outside the vocabulary are asked for with index 0.

    Args:
        num_rows: Size of the vocabulary, the unseen index 0 included.
        dim: Size of the vectors.
        use_id: Whether there is an id embedding.
        use_text: Whether there is a text.
        fusion: A name of `layers.fusion.FUSIONS`.
        id_dropout: Rate at which known ids are masked in training.
        text_dropout: Dropout rate on the text vectors.
        **kwargs: Arguments of `keras.layers.Layer`.

    Call arguments:
        index: Indices of any shape.
        text: `index.shape + (text_dim,)`, or `(num_rows, text_dim)` with `catalog`; zeros mean
            no text. None for a tower without text.
        catalog: Whether to return every row's vector; see `all_rows`.

    Returns:
        `index.shape + (dim,)`, or `(num_rows, dim)` with `catalog`.

    Raises:
        ValueError: For sizes out of range, or a tower with neither ids nor texts.

    Example:

    >>> tower = FusedTower(num_rows=4, dim=2)
    >>> text = np.ones((4, 8), "float32")
    >>> tower.all_rows(text).shape
    TensorShape([4, 2])
    >>> tower.set_known([0, 1, 1, 0])
    """

    def __init__(
        self,
        num_rows: int,
        dim: int,
        use_id: bool = True,
        use_text: bool = True,
        fusion: str = "concat",
        id_dropout: float = 0.0,
        text_dropout: float = 0.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        rates = (id_dropout, text_dropout)
        if num_rows < 2 or dim < 1 or not all(0 <= rate < 1 for rate in rates):
            raise InvalidInput(
                "`num_rows` must be at least 2, `dim` at least 1 and the dropout rates in [0, 1). "
                f"Received: num_rows={num_rows}, dim={dim}, id_dropout={id_dropout}, "
                f"text_dropout={text_dropout}."
            )
        if not (use_id or use_text):
            raise InvalidInput("A fused tower needs ids or texts: set `use_id` or `use_text`.")
        self.num_rows, self.dim, self.use_id, self.use_text = num_rows, dim, use_id, use_text
        self.fusion, self.id_dropout, self.text_dropout = fusion, id_dropout, text_dropout
        kind = fusion if use_id and use_text else "concat"  # one source needs no weights
        self.fuse = fusion_layer(kind, dim, dtype=self.dtype_policy, name="fuse")
        self.drop_text = keras.layers.Dropout(text_dropout, dtype=self.dtype_policy)
        self.seeds = keras.random.SeedGenerator()
        if use_id:
            shape = (num_rows,)
            self.known, self.given = (
                self.add_weight(
                    name=name, shape=shape, initializer=start, trainable=False, autocast=False
                )
                for name, start in (("known", _all_but_unseen), ("given", "zeros"))
            )

    def build(self, index_shape: Any, text_shape: Any = None) -> None:
        """Makes the weights."""
        sizes = []
        if self.use_id:
            start = keras.initializers.RandomNormal(stddev=self.dim**-0.5)
            shape = (self.num_rows, self.dim)
            self.embeddings = self.add_weight(
                name="embeddings", shape=shape, initializer=start, autocast=False
            )
            sizes.append(self.dim)
        if self.use_text:
            sizes.append(text_shape[-1])
        self.fuse.build([(None, size) for size in sizes])

    def set_known(self, known: Any) -> None:
        """Says which ids have a training event.

        Args:
            known: `(num_rows,)`, true where there is one; row 0 never counts.

        Raises:
            ValueError: When the shape differs or the tower has no ids.
        """
        mask = np.array(known, np.float32)
        if not self.use_id or mask.shape != (self.num_rows,):
            raise InvalidInput(
                f"`known` must have the shape {(self.num_rows,)} and the tower ids. "
                f"Received: shape {mask.shape}, use_id={self.use_id}."
            )
        mask[0] = 0
        self.known.assign(mask)
        self.given.assign(0 * mask)

    def set_stand_ins(self, rows: Any, vectors: Any) -> None:
        """Gives rows that are not known whole vectors, instead of those that their text makes.

        They are kept where the rows' embeddings would be, which nothing reads.

        Args:
            rows: Indices of rows that are not known.
            vectors: `(number of rows, dim)`.

        Raises:
            ValueError: When the shape differs, a row is known, or the tower has no ids.
        """
        rows = np.asarray(rows, np.int32)
        expected = (len(rows), self.dim)
        known = self.use_id and ops.convert_to_numpy(self.known)[rows].any()
        if not self.use_id or known or np.shape(vectors) != expected:
            raise InvalidInput(
                f"`vectors` must have the shape {expected}, none of the rows be known and the "
                f"tower have ids. Received: shape {np.shape(vectors)}, a known row: {known}, "
                f"use_id={self.use_id}."
            )
        table, given = (ops.convert_to_numpy(one).copy() for one in (self.embeddings, self.given))
        table[rows], given[rows] = vectors, 1
        self.embeddings.assign(table)
        self.given.assign(given)

    def call(
        self, index: Any, text: Any = None, catalog: bool = False, training: bool | None = None
    ) -> Any:
        """Computes what the class describes."""

        def rows(weight: Any) -> Any:
            table = ops.convert_to_tensor(weight)
            table = table if catalog else ops.take(table, index, axis=0)
            return ops.cast(table, self.compute_dtype)

        sources, present = [], []
        if self.use_id:
            there = rows(self.known)
            if training and self.id_dropout:
                drawn = keras.random.uniform(ops.shape(there), seed=self.seeds)
                there = there * ops.cast(drawn >= self.id_dropout, there.dtype)
            sources.append(rows(self.embeddings))
            present.append(there)
        if self.use_text:
            # Dropout may zero a short vector: whether there is a text is asked before.
            present.append(ops.any(text != 0, axis=-1))
            sources.append(self.drop_text(text, training=training))
        fused = self.fuse(sources, present)
        if training or not self.use_id:
            return fused
        return ops.where(rows(self.given)[..., None] > 0, sources[0], fused)

    def get_config(self) -> dict[str, Any]:
        """The arguments to build it again."""
        names = (
            *("num_rows", "dim", "use_id", "use_text"),
            *("fusion", "id_dropout", "text_dropout"),
        )
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}
