"""Item towers of ids and features, and a table of users' histories inside a model."""

from __future__ import annotations

import hashlib
from typing import Any
from weakref import WeakValueDictionary

import keras
import numpy as np
from keras import ops

from tfrec_fusion.errors import InvalidInput
from tfrec_fusion.layers.table import Table

_FROZEN: WeakValueDictionary[tuple[Any, ...], ItemTower] = WeakValueDictionary()


@keras.saving.register_keras_serializable("tfrec_fusion")
class ItemTower(Table):
    """Candidate tower: an id embedding plus a projection of the item's features.

    `vector(i) = embedding[i] + features[i] W`, and in reverse `logits = hidden · vector`. Features
    are constants kept with the weights, so a saved model needs no further table.

    Args:
        num_items: Size of the item vocabulary, the unseen index 0 included.
        dim: Size of the vectors.
        feature_dim: Number of features of an item; 0 for an id-only tower.
        use_id: Whether there is an id embedding; a tower without one needs features.
        embeddings_initializer: Start of the id embedding; normal with deviation `dim ** -0.5` by
            default.
        embeddings_dtype: What the id embedding is kept as, such as `"float16"` for a small export;
            the layer's own type by default, in which it is computed with whatever it is kept as.
        **kwargs: Arguments of `keras.layers.Layer`.

    Call arguments:
        inputs: Item indices of any shape; with `reverse` hidden vectors `(..., dim)`.
        reverse: Whether to score hidden vectors against every item instead of looking items up.
        catalog: Whether to return every item's vector; see `all_rows`.

    Returns:
        `inputs.shape + (dim,)`; with `reverse` logits `(..., num_items)`, float32 under any dtype
        policy; with `catalog` `(num_items, dim)`.

    Raises:
        ValueError: For sizes out of range, or a tower with neither ids nor features.

    Example:

    >>> import numpy as np
    >>> tower = ItemTower(num_items=5, dim=3)
    >>> hidden = tower(np.array([[1, 2]]))
    >>> hidden.shape, tower(hidden, reverse=True).shape, tower.all_rows().shape
    (TensorShape([1, 2, 3]), TensorShape([1, 2, 5]), TensorShape([5, 3]))
    """

    def __init__(
        self,
        num_items: int,
        dim: int,
        feature_dim: int = 0,
        use_id: bool = True,
        embeddings_initializer: Any = None,
        embeddings_dtype: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if num_items < 2 or dim < 1 or feature_dim < 0:
            raise InvalidInput(
                "`num_items` must be at least 2, `dim` at least 1 and `feature_dim` at least 0. "
                f"Received: num_items={num_items}, dim={dim}, feature_dim={feature_dim}."
            )
        if not (use_id or feature_dim):
            raise InvalidInput(
                "An item tower needs ids or features: set `use_id` or `feature_dim`."
            )
        self.num_items, self.dim = num_items, dim
        self.feature_dim, self.use_id = feature_dim, use_id
        self.embeddings_initializer = keras.initializers.get(
            embeddings_initializer or keras.initializers.RandomNormal(stddev=dim**-0.5)
        )
        self.embeddings_dtype = embeddings_dtype

    def build(self, inputs_shape: Any) -> None:
        """Makes the weights."""
        if self.use_id:
            self.embeddings = self.add_weight(
                name="embeddings",
                shape=(self.num_items, self.dim),
                dtype=self.embeddings_dtype,
                initializer=self.embeddings_initializer,
                autocast=False,  # rows are cast, once they are taken
            )
        if self.feature_dim:
            self.features = self.add_weight(
                name="features",
                shape=(self.num_items, self.feature_dim),
                initializer="zeros",
                trainable=False,
                autocast=False,
            )
            self.kernel = self.add_weight(name="kernel", shape=(self.feature_dim, self.dim))

    @classmethod
    def of(cls, rows: np.ndarray, **kwargs: Any) -> ItemTower:
        """Makes a tower of given vectors, `(num_items, dim)`, that is not trained.

        Models made of the same vectors share one tower, so that they are exported with one table.
        It is float32 under any dtype policy, unless `dtype` is given.
        """
        kwargs.setdefault("dtype", "float32")
        rows = np.ascontiguousarray(rows, np.float32)
        kwargs.setdefault("name", "frozen_items")
        key = (hashlib.sha256(rows.tobytes()).hexdigest(), rows.shape, repr(sorted(kwargs.items())))
        tower = _FROZEN.get(key)
        if tower is None:
            tower = cls(*rows.shape, trainable=False, **kwargs)
            tower(np.zeros(1, np.int32))
            tower.embeddings.assign(rows)
            _FROZEN[key] = tower
        return tower

    def set_features(self, features: np.ndarray) -> None:
        """Sets the constant features.

        Args:
            features: `(num_items, feature_dim)`; row 0 belongs to the unseen item.

        Raises:
            ValueError: When the shape differs or a value is not finite.
        """
        expected = (self.num_items, self.feature_dim)
        if np.shape(features) != expected:
            raise InvalidInput(
                f"`features` must have the shape {expected}. Received: {np.shape(features)}."
            )
        if not np.isfinite(features).all():
            row = int(np.flatnonzero(~np.isfinite(features).all(axis=1))[0])
            raise InvalidInput(
                f"`features` must be finite. Received: NaN or infinity in row {row}."
            )
        self(np.zeros(1, np.int32))  # makes the weights where they are missing
        self.features.assign(features)

    def call(self, inputs: Any, reverse: bool = False, catalog: bool = False) -> Any:
        """Computes what the class describes."""
        if reverse:
            hidden, items = (ops.cast(one, "float32") for one in (inputs, self._vectors(None)))
            return ops.matmul(hidden, ops.transpose(items))  # (..., num_items)
        return self._vectors(None if catalog else inputs)

    def _vectors(self, item_id: Any | None) -> Any:
        """Vectors of items, or of every item without `item_id`."""
        parts = []
        if self.use_id:
            rows = ops.convert_to_tensor(self.embeddings)
            rows = rows if item_id is None else ops.take(rows, item_id, axis=0)
            parts.append(ops.cast(rows, self.compute_dtype))
        if self.feature_dim:
            known = ops.convert_to_tensor(self.features)
            known = known if item_id is None else ops.take(known, item_id, axis=0)
            known, kernel = (ops.cast(one, self.compute_dtype) for one in (known, self.kernel))
            parts.append(ops.matmul(known, kernel))
        return sum(parts[1:], parts[0])

    def get_config(self) -> dict[str, Any]:
        """The arguments to build it again."""
        return {
            **super().get_config(),
            "num_items": self.num_items,
            "dim": self.dim,
            "feature_dim": self.feature_dim,
            "use_id": self.use_id,
            "embeddings_initializer": keras.initializers.serialize(self.embeddings_initializer),
            "embeddings_dtype": self.embeddings_dtype,
        }


@keras.saving.register_keras_serializable("tfrec_fusion")
class HistoryTable(keras.layers.Layer):
    """Every user's recent items, held as a constant, so that a user id alone is a query.

    Args:
        num_users: Size of the user vocabulary, the unseen index 0 included.
        length: Items kept for each user.
        **kwargs: Arguments of `keras.layers.Layer`.

    Call arguments:
        user_id: `(batch,)` user indices.

    Returns:
        `(batch, length)` int32 item indices, oldest first, 0 for padding.

    Example:

    >>> import numpy as np
    >>> table = HistoryTable(num_users=3, length=2)
    >>> table.set_histories(np.array([[0, 0], [0, 4], [5, 6]]))
    >>> table(np.array([2, 1])).numpy().tolist()
    [[5, 6], [0, 4]]
    """

    def __init__(self, num_users: int, length: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if num_users < 1 or length < 1:
            raise InvalidInput(
                "`num_users` and `length` must be positive. "
                f"Received: num_users={num_users}, length={length}."
            )
        self.num_users, self.length = num_users, length
        self.histories = self.add_weight(
            name="histories",
            shape=(num_users, length),
            dtype="int32",
            initializer="zeros",
            trainable=False,
        )

    @classmethod
    def of_known(cls, known: Any, length: int, **kwargs: Any) -> HistoryTable:
        """Makes the table of known interactions.

        Args:
            known: The users' interactions (`data.events.Events`).
            length: Items kept for each user.
            **kwargs: Arguments of `keras.layers.Layer`.

        Raises:
            ValueError: When `known` is None.
        """
        if known is None:
            raise InvalidInput("`known` is needed: this model reads the users' interactions.")
        histories = known.histories(length)
        table = cls(*histories.shape, **kwargs)
        table.set_histories(histories)
        return table

    def set_histories(self, histories: np.ndarray) -> None:
        """Sets the rows, `(num_users, length)`.

        Raises:
            ValueError: When the shape differs.
        """
        expected = (self.num_users, self.length)
        if np.shape(histories) != expected:
            raise InvalidInput(
                f"`histories` must have the shape {expected}. Received: {np.shape(histories)}."
            )
        self.histories.assign(histories)

    def call(self, user_id: Any) -> Any:
        """Computes what the class describes."""
        return ops.take(self.histories, user_id, axis=0)

    def compute_output_spec(self, user_id: Any) -> keras.KerasTensor:
        """`(batch, length)` int32, whatever the layer's dtype."""
        return keras.KerasTensor((*user_id.shape, self.length), dtype="int32")

    def get_config(self) -> dict[str, Any]:
        """The arguments to build it again."""
        return {**super().get_config(), "num_users": self.num_users, "length": self.length}
