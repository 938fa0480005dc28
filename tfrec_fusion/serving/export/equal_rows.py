"""Requests whose inputs differ in their number of rows are refused, by graph and local server."""

from __future__ import annotations

import tensorflow as tf

UNEQUAL_ROWS = "All inputs of a request must have the same number of rows. Received: "


def with_equal_rows(**inputs: tf.Tensor) -> list[tf.Tensor]:
    """Returns inputs that fail where they differ in their first dimension.

    A server that puts requests together refuses such a request by itself; this is the same for
    one that does not. Only shapes are checked: an error about values would fail the requests of
    others in the same batch, too.

    Args:
        **inputs: Tensors by name, the batch first.

    Returns:
        The same tensors, in order; INVALID_ARGUMENT names the inputs and their rows.

    Example:

    >>> [rows] = with_equal_rows(user_id=tf.constant(["ann", "bob"]))
    >>> rows.shape
    TensorShape([2])
    """
    rows = {name: tf.shape(one)[0] for name, one in inputs.items()}
    equal = tf.reduce_all(tf.stack(list(rows.values())) == next(iter(rows.values())))
    named = [tf.strings.join([name, " ", tf.strings.as_string(one)]) for name, one in rows.items()]
    message = tf.strings.join([UNEQUAL_ROWS, tf.strings.join(named, ", "), "."])
    check = tf.debugging.Assert(equal, [message])
    with tf.control_dependencies([check]):
        return [tf.identity(one) for one in inputs.values()]
