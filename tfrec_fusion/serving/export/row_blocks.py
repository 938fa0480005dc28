"""A signature that is checked and answered some rows at a time, in memory that does not grow.

TensorFlow's allocator keeps what it once had: the largest intermediate result of a request is
memory that its server never gives back.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import tensorflow as tf

from tfrec_fusion.serving.export.equal_rows import with_equal_rows
from tfrec_fusion.serving.export.request_size import MAX_ROWS, MAX_TEXT_ROWS, with_bounded_size

MAX_ROWS_AT_ONCE = 64
_LARGEST = 2**23  # values of one intermediate result
_IDS_AT_ONCE = 2**15  # of lists: with an index each becomes a vector
_TEXTS_AT_ONCE = 8


def bounded(
    function: Callable[..., Any], specs: Sequence[tf.TensorSpec], texts: bool = False
) -> Callable[..., Any]:
    """Returns a function that refuses what is too large or unequal, and answers the rest in blocks.

    Args:
        function: Its arguments name the inputs; gives a dict of tensors, the batch first.
        specs: Of the inputs.
        texts: Whether a language model reads a text in each row.
    """
    block = tf.function(function, input_signature=specs, autograph=False)
    most, rows = (MAX_TEXT_ROWS, _TEXTS_AT_ONCE) if texts else (MAX_ROWS, rows_at_once(block))
    signature = inspect.signature(function)

    def answer(*inputs: tf.Tensor) -> Mapping[str, tf.Tensor]:
        given = with_equal_rows(**dict(zip(signature.parameters, inputs, strict=True)))
        given = with_bounded_size(most, **dict(zip(signature.parameters, given, strict=True)))
        return in_blocks(block, given, rows)

    answer.__signature__ = signature  # type: ignore[attr-defined]
    return answer


def rows_at_once(function: Any) -> int:
    """Returns how many rows keep the intermediate results of a function small.

    Args:
        function: A `tf.function` with an input signature; dimensions that its graph leaves open
            count as one.
    """
    most = 1
    for operation in function.get_concrete_function().graph.get_operations():
        for tensor in operation.outputs:
            if tensor.shape.rank and tensor.shape[0] is None:
                most = max(most, int(tf.TensorShape([d or 1 for d in tensor.shape]).num_elements()))
    return min(MAX_ROWS_AT_ONCE, max(1, _LARGEST // most))


def in_blocks(function: Any, inputs: Sequence[tf.Tensor], rows: int) -> Mapping[str, tf.Tensor]:
    """Calls a function with blocks of rows, one after the other.

    Args:
        function: A `tf.function` with an input signature, to a dict of tensors, the batch first.
        inputs: Tensors `(batch,)` or lists `(batch, any)`.
        rows: The most rows of a block; blocks of long lists are shorter.

    Returns:
        The outputs of all rows; of no rows, those of an empty block.
    """
    ids = sum((tf.shape(one)[1] for one in inputs if one.shape.rank > 1), tf.constant(1))
    size = tf.clip_by_value(_IDS_AT_ONCE // ids, 1, rows)
    batch = tf.shape(inputs[0])[0]
    number = tf.maximum(1, -(-batch // size))
    specs = function.get_concrete_function().structured_outputs
    arrays = {
        name: tf.TensorArray(spec.dtype, number, element_shape=spec.shape, infer_shape=False)
        for name, spec in specs.items()
    }

    def answer_block(place: tf.Tensor, arrays: dict[str, Any]) -> tuple[tf.Tensor, dict[str, Any]]:
        found = function(*[one[place * size : (place + 1) * size] for one in inputs])
        return place + 1, {name: array.write(place, found[name]) for name, array in arrays.items()}

    _, arrays = tf.while_loop(
        lambda place, _: place < number,
        answer_block,
        (tf.constant(0), arrays),
        parallel_iterations=1,
    )
    return {name: array.concat() for name, array in arrays.items()}
