"""Texts as padded token ids: two joined into one, and one as the words and word pairs in it."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from tfrec_fusion.errors import InvalidInput

# Odd numbers of 31 bits; their products with token ids stay far below the limit of int64.
_FACTORS = (1_640_531_527, 1_367_130_551, 1_083_827_681, 1_927_868_237)


@keras.saving.register_keras_serializable("tfrec_fusion")
class NgramBag(keras.layers.Layer):
    """The sum of one vector for each n-gram of a text, over the root of their number.

    n-grams of tokens share `num_buckets` vectors by a hash, so there is no vocabulary to keep
    (fastText: Joulin et al. 2017, https://arxiv.org/abs/1607.01759; there the mean). The root
    keeps a long text's evidence from being thinned out, as the length norm of TF-IDF does.

    Args:
        num_buckets: Vectors for n-grams to share.
        dim: Size of a vector.
        ngrams: The longest n-gram, from 1 to 4.
        **kwargs: Arguments of `keras.layers.Layer`.

    Call arguments:
        token_ids: `(batch, length)` int32.
        num_tokens: `(batch,)` int32: what follows in a row is padding and does not count.

    Returns:
        `(batch, dim)`; zeros for a text without tokens.

    Raises:
        ValueError: When an argument is out of range.

    Example:

    >>> import numpy as np
    >>> bag = NgramBag(num_buckets=100, dim=4)
    >>> bag(np.array([[7, 8, 9], [5, 0, 0]]), np.array([3, 0])).shape
    TensorShape([2, 4])
    """

    def __init__(self, num_buckets: int, dim: int, ngrams: int = 2, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if num_buckets < 1 or dim < 1:
            raise InvalidInput(
                "`num_buckets` and `dim` must be at least 1. "
                f"Received: num_buckets={num_buckets}, dim={dim}."
            )
        if not 1 <= ngrams <= len(_FACTORS):
            raise InvalidInput(f"`ngrams` must be from 1 to {len(_FACTORS)}. Received: {ngrams}.")
        self.num_buckets = num_buckets
        self.dim = dim
        self.ngrams = ngrams

    def build(self, token_ids_shape: Any, num_tokens_shape: Any) -> None:
        """Makes the vectors; they start at zero, so that a text starts without an opinion."""
        self.vectors = self.add_weight(
            name="vectors",
            shape=(self.num_buckets, self.dim),
            initializer="zeros",
            autocast=False,  # sums are taken in float32
        )

    def call(self, token_ids: Any, num_tokens: Any) -> Any:
        """Computes what the class describes."""
        tokens = ops.cast(token_ids, "int64")
        left = ops.expand_dims(ops.cast(num_tokens, "int64"), -1)  # (batch, 1)
        length = token_ids.shape[1] if token_ids.shape[1] is not None else ops.shape(token_ids)[1]
        start = ops.expand_dims(ops.arange(length, dtype="int64"), 0)  # (1, length)
        total, count, hashed = 0.0, 0.0, 0
        for n in range(self.ngrams):
            # Rolled tokens that come round from the front lie beyond `num_tokens` and are masked.
            hashed = hashed + (ops.roll(tokens, -n, axis=1) + 1) * _FACTORS[n]
            inside = ops.cast(start + n < left, "float32")  # (batch, length)
            vectors = ops.take(self.vectors, hashed % self.num_buckets, axis=0)
            vectors = ops.cast(vectors, "float32")  # (batch, length, dim)
            total = total + ops.sum(vectors * ops.expand_dims(inside, -1), axis=1)  # (batch, dim)
            count = count + ops.sum(inside, axis=1, keepdims=True)  # (batch, 1)
        return ops.cast(total / ops.sqrt(ops.maximum(count, 1)), self.compute_dtype)

    def compute_output_shape(
        self, token_ids_shape: Any, num_tokens_shape: Any
    ) -> tuple[int | None, int]:
        """`(batch, dim)`."""
        return token_ids_shape[0], self.dim

    def get_config(self) -> dict[str, Any]:
        """The arguments to build it again."""
        own = {"num_buckets": self.num_buckets, "dim": self.dim, "ngrams": self.ngrams}
        return {**super().get_config(), **own}


@keras.saving.register_keras_serializable("tfrec_fusion")
class JoinedTexts(keras.layers.Layer):
    """Two padded texts as one: the user's tokens, then the item's, then all the padding.

    Args:
        **kwargs: Arguments of `keras.layers.Layer`.

    Call arguments:
        user_token_ids: `(batch, user_length)` int32.
        user_num_tokens: `(batch,)` int32.
        item_token_ids: `(batch, item_length)` int32.
        item_num_tokens: `(batch,)` int32.

    Returns:
        Token ids `(batch, user_length + item_length)` int32 and their numbers `(batch,)` int32.

    Example:

    >>> import numpy as np
    >>> ids, num = JoinedTexts()(np.array([[7, 0, 0]]), np.array([1]), np.array([[8, 9]]),
    ...     np.array([2]))
    >>> ids.numpy().tolist(), num.numpy().tolist()
    ([[7, 8, 9, 0, 0]], [3])
    """

    def build(
        self,
        user_token_ids_shape: Any,
        user_num_tokens_shape: Any,
        item_token_ids_shape: Any,
        item_num_tokens_shape: Any,
    ) -> None:
        """Nothing to make."""
        self.built = True

    def call(
        self, user_token_ids: Any, user_num_tokens: Any, item_token_ids: Any, item_num_tokens: Any
    ) -> tuple[Any, Any]:
        """Computes what the class describes."""
        both = ops.concatenate([user_token_ids, item_token_ids], axis=1)
        both = ops.cast(both, "int32")  # (batch, user_length + item_length)
        user_num_tokens = ops.cast(user_num_tokens, "int32")
        item_num_tokens = ops.cast(item_num_tokens, "int32")
        user_num = ops.expand_dims(user_num_tokens, -1)  # (batch, 1)
        num_tokens = user_num_tokens + item_num_tokens
        place = ops.expand_dims(ops.arange(ops.shape(both)[1], dtype="int32"), 0)
        start_of_item = ops.shape(user_token_ids)[1]
        source = ops.where(place < user_num, place, place - user_num + start_of_item)
        is_token = place < ops.expand_dims(num_tokens, -1)
        joined = ops.take_along_axis(both, ops.where(is_token, source, 0), axis=1)
        return ops.where(is_token, joined, 0), num_tokens

    def compute_output_spec(
        self, user_token_ids: Any, user_num_tokens: Any, item_token_ids: Any, item_num_tokens: Any
    ) -> tuple[keras.KerasTensor, keras.KerasTensor]:
        """Shapes and types of what `call` returns."""
        lengths = (user_token_ids.shape[1], item_token_ids.shape[1])
        length = None if None in lengths else sum(lengths)
        batch = user_token_ids.shape[0]
        return (
            keras.KerasTensor((batch, length), dtype="int32"),
            keras.KerasTensor((batch,), dtype="int32"),
        )
