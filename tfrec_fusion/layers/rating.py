"""Expected ratings by biases of users and items: the baseline of rating prediction."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops

from tfrec_fusion.errors import InvalidInput
from tfrec_fusion.layers.precision import FullPrecision


@keras.saving.register_keras_serializable("tfrec_fusion")
class RatingBiases(FullPrecision):
    """`mean + bias of the user + bias of the item`, constants counted from the training ratings.

        bias_i = Σ_u (r_ui - mean) / (item_damping + n_i)
        bias_u = Σ_i (r_ui - mean - bias_i) / (user_damping + n_u)

    Koren, Factor in the Neighbors (2010), section 2.1. A user or item without a rating has 0.

    Where a model is trained on the very ratings that were counted, each would be part of what is
    expected of it: given as `own_rating`, it is taken out of both biases again (not of the mean).

    Args:
        num_users: Size of the user vocabulary, the unseen index 0 included.
        num_items: Size of the item vocabulary, the unseen index 0 included.
        **kwargs: Arguments of `keras.layers.Layer`.

    Call arguments:
        user_id: Indices of any shape.
        item_id: Indices of a shape that broadcasts with it.
        own_rating: Of their broadcast shape, each a counted rating of this user and item, to leave
            out; by default nothing is.

    Returns:
        Ratings of that shape, in the unit of those given; float32 under any dtype policy.

    Example: two users rate item 1 with 5 and 3; damped by one rating, the item stays at the mean.

    >>> layer = RatingBiases(3, 2)
    >>> layer.set_ratings(np.array([1, 2]), np.array([1, 1]), np.array([5.0, 3.0]), 1.0, 1.0)
    >>> layer(np.array([1, 2, 0]), np.array([1, 1, 1])).numpy().tolist()
    [4.5, 3.5, 4.0]
    >>> layer(np.array([1]), np.array([1]), np.array([5.0])).numpy().tolist()  # (3 - 4) / 2 of item
    [3.5]
    """

    def __init__(self, num_users: int, num_items: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if min(num_users, num_items) < 2:
            raise InvalidInput(
                "`num_users` and `num_items` must be at least 2 (index 0 is the unseen id). "
                f"Received: num_users={num_users}, num_items={num_items}."
            )
        self.num_users, self.num_items = num_users, num_items
        self.mean = self._constant("mean", ())
        self.user_bias = self._constant("user_bias", (num_users,))
        self.item_bias = self._constant("item_bias", (num_items,))
        self.user_count = self._constant("user_count", (num_users,))  # damping included
        self.item_count = self._constant("item_count", (num_items,))
        self.built = True

    def _constant(self, name: str, shape: tuple[int, ...]) -> Any:
        return self.add_weight(name=name, shape=shape, initializer="zeros", trainable=False)

    def set_ratings(
        self,
        user: np.ndarray,
        item: np.ndarray,
        rating: np.ndarray,
        user_damping: float = 10.0,
        item_damping: float = 25.0,
    ) -> None:
        """Counts the constants.

        Args:
            user: `(num_ratings,)` user indices.
            item: `(num_ratings,)` item indices.
            rating: `(num_ratings,)`.
            user_damping: Ratings at the mean that every user is given in addition to their own.
            item_damping: The same of items.

        Raises:
            ValueError: When there is no rating, or a damping is negative.
        """
        if not len(rating) or min(user_damping, item_damping) < 0:
            raise InvalidInput(
                "There must be ratings, and dampings must not be negative. Received: "
                f"{len(rating)} ratings, user_damping={user_damping}, item_damping={item_damping}."
            )
        mean = float(np.mean(rating, dtype=np.float64))
        rest = np.asarray(rating, np.float64) - mean
        item_count = np.bincount(item, minlength=self.num_items) + item_damping
        item_bias = np.bincount(item, rest, self.num_items) / np.maximum(item_count, 1e-12)
        rest -= item_bias[item]
        user_count = np.bincount(user, minlength=self.num_users) + user_damping
        self.mean.assign(mean)
        self.item_bias.assign(item_bias)
        self.item_count.assign(item_count)
        self.user_bias.assign(
            np.bincount(user, rest, self.num_users) / np.maximum(user_count, 1e-12)
        )
        self.user_count.assign(user_count)

    def build(self, user_id_shape: Any, item_id_shape: Any, own_rating_shape: Any = None) -> None:
        """Nothing to make: weights have their sizes from the arguments."""
        self.built = True

    def call(self, user_id: Any, item_id: Any, own_rating: Any = None) -> Any:
        """Computes what the class describes."""
        of_user, of_item = ops.take(self.user_bias, user_id), ops.take(self.item_bias, item_id)
        if own_rating is not None:
            rest = ops.cast(own_rating, self.compute_dtype) - self.mean
            of_user = _without(of_user, ops.take(self.user_count, user_id), rest - of_item)
            of_item = _without(of_item, ops.take(self.item_count, item_id), rest)
        return self.mean + of_user + of_item

    def get_config(self) -> dict[str, Any]:
        """The arguments to build it again."""
        return {
            **super().get_config(),
            "num_users": self.num_users,
            "num_items": self.num_items,
        }


def _without(mean: Any, count: Any, one: Any) -> Any:
    """Damped means once `one` of their values is taken out; 0 where none is left."""
    return ops.where(count > 1, (mean * count - one) / ops.maximum(count - 1, 1e-6), 0.0)
