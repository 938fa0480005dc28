"""How large a request may be: rows, item ids a row, and item ids altogether.

A request of some bytes can ask for any number of values, and a graph that takes them all can be
made to fill a server's memory. The bounds hold in the exported graph, whatever server runs it.
Lists that are too long are refused and not cut: a shortened list of excluded items would be a wrong
answer.

A server that puts requests together fails all of a batch that is too large. Their lists have one
length there, and 64 rows, the largest batch of the configuration beside an export (`serving.kit`),
may have as many ids each as one row: none is refused for the requests of others.
"""

from __future__ import annotations

import tensorflow as tf

MAX_ROWS = 1024
MAX_TEXT_ROWS = 64  # texts to be read by a language model, which takes its time
MAX_IDS_A_ROW = 10_000  # of a history, of excluded and of allowed items together
MAX_IDS = 64 * MAX_IDS_A_ROW


def with_bounded_size(max_rows: int = MAX_ROWS, **inputs: tf.Tensor) -> list[tf.Tensor]:
    """Returns inputs that fail where they are too many.

    Args:
        max_rows: The most rows.
        **inputs: Tensors by name with equal numbers of rows, `(batch,)` or lists `(batch, any)`.

    Returns:
        The same tensors, in order; INVALID_ARGUMENT says the bounds and what was received.

    Example:

    >>> [lists] = with_bounded_size(item_ids=tf.fill([64, 10_000], "a"))
    >>> with_bounded_size(item_ids=tf.fill([1, 10_001], "a"))  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    tensorflow.python.framework.errors_impl.InvalidArgumentError: ...
    """
    shapes = [tf.shape(one, tf.int64) for one in inputs.values()]
    rows = shapes[0][0]
    lists = [shape[1] for shape, one in zip(shapes, inputs.values(), strict=True) if one.ndim > 1]
    ids = tf.add_n(lists) if lists else tf.zeros([], tf.int64)
    fits = (rows <= max_rows) & (ids <= MAX_IDS_A_ROW) & (rows * ids <= MAX_IDS)
    bounds = f"A request may have at most {max_rows:,} rows"
    if lists:
        bounds += f", {MAX_IDS_A_ROW:,} item ids a row and {MAX_IDS:,} altogether"
    sizes = [f"{name} " for name in inputs]
    for place, shape in enumerate(shapes):
        sizes[place] += tf.strings.reduce_join(tf.strings.as_string(shape), separator=" x ")
    received = tf.strings.join(sizes, ", ")
    message = tf.strings.join([bounds, ". Received: ", received, ". Send several requests."])
    with tf.control_dependencies([tf.debugging.Assert(fits, [message], summarize=1)]):
        return [tf.identity(one) for one in inputs.values()]
