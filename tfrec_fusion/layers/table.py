"""Tables of vectors that are read by index, or whole."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np


class Table(keras.layers.Layer):
    """A layer that looks rows up by index, and can give all of them at once.

    A subclass has `call(index, *content, catalog=False)`, which returns the vectors of all rows
    with `catalog`, whatever `index` is. Code asks for them by `all_rows`.

    Args:
        **kwargs: Arguments of `keras.layers.Layer`.
    """

    def __call__(self, *inputs: Any, **arguments: Any) -> Any:
        """Calls the layer; graphs saved by version 0.1 spell the flag `catalogue`."""
        if "catalogue" in arguments:
            arguments["catalog"] = arguments.pop("catalogue")
        return super().__call__(*inputs, **arguments)

    def all_rows(self, *content: Any, anchor: Any = None) -> Any:
        """Returns the vectors of all rows, `(num_rows, dim)`.

        Args:
            *content: What the layer reads next to the index, for every row: the texts of a
                `FusedTower`.
            anchor: Any integer tensor of a functional model, to make the rows a part of its graph.
                By default they are computed now.

        Returns:
            `(num_rows, dim)`.
        """
        # Keras makes a call a node of a functional graph only where one of its arguments is a
        # tensor of that graph. All rows of a table depend on no input, so that one is handed over
        # whose values are not read.
        index = np.zeros(1, np.int32) if anchor is None else anchor
        return self(index, *content, catalog=True)
