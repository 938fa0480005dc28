"""Keras layers that multiply by a constant matrix: what the baselines' graphs are made of.

`DenseMatrix` and `SparseMatrix` read an integer as the row it names (a product with a one-hot
vector) and a float vector as itself, so that a chain of them, started with an id or with
`PastItems`, is a product of matrices.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import scipy.sparse as sp
import tensorflow as tf
from keras import ops

from tfrec_fusion.layers.precision import FullPrecision

_CELLS_AT_ONCE = 2**18  # of a sparse matrix that are read
_READINGS = 8  # of every cell, that cost as much as one product of the whole matrix and a batch


@keras.saving.register_keras_serializable("zoo")
class DenseMatrix(FullPrecision):
    """`inputs @ matrix` for a dense constant matrix.

    Inputs are row numbers `(batch,)` of an integer type, or floats `(batch, num_rows)`.
    Outputs are `(batch, num_columns)` float32.

    Args:
        num_rows: Rows of the matrix.
        num_columns: Columns of the matrix.
        **kwargs: Of `keras.layers.Layer`.
    """

    def __init__(self, num_rows: int, num_columns: int, **kwargs: Any) -> None:
        super().__init__(trainable=False, **kwargs)
        self.num_rows = num_rows
        self.num_columns = num_columns
        self.matrix = self.add_weight(
            shape=(num_rows, num_columns), initializer="zeros", trainable=False, name="matrix"
        )

    @classmethod
    def of(cls, matrix: np.ndarray, **kwargs: Any) -> DenseMatrix:
        """The layer of a given `(num_rows, num_columns)` array."""
        layer = cls(*matrix.shape, **kwargs)
        layer.matrix.assign(matrix)
        return layer

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Nothing to make: the matrix has its shape from the arguments."""
        self.built = True

    def call(self, inputs: Any) -> Any:
        """Rows named by, or the product with, `inputs`."""
        if _names_rows(inputs):
            return ops.take(self.matrix, inputs, axis=0)  # (batch, num_columns)
        return ops.matmul(inputs, self.matrix)  # (batch, num_columns)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, int]:
        """`(batch, num_columns)`."""
        return input_shape[0], self.num_columns

    def get_config(self) -> dict[str, Any]:
        """The two sizes; the matrix itself is a weight."""
        return _config(self, num_rows=self.num_rows, num_columns=self.num_columns)


@keras.saving.register_keras_serializable("zoo")
class SparseMatrix(FullPrecision):
    """`inputs @ matrix` for a sparse constant matrix, kept as CSR arrays.

    A cell takes 4 to 8 bytes: columns and values have 16 bits where that loses nothing.

    Inputs are row numbers `(batch,)` of an integer type, or floats `(batch, num_rows)`, whose
    zeros cost nothing: only the cells in rows under non-zero inputs are read, some at a time, so
    that memory does not grow with cells times batch. Outputs are `(batch, num_columns)` float32.

    Args:
        num_rows: Rows of the matrix.
        num_columns: Columns of the matrix.
        num_cells: Cells that are kept.
        cell_dtype: What they are kept as: `float32` or `float16`.
        **kwargs: Of `keras.layers.Layer`.
    """

    def __init__(
        self,
        num_rows: int,
        num_columns: int,
        num_cells: int,
        cell_dtype: str = "float32",
        **kwargs: Any,
    ) -> None:
        super().__init__(trainable=False, **kwargs)
        self.supports_jit = False  # the number of cells read differs from input to input
        self.num_rows = num_rows
        self.num_columns = num_columns
        self.num_cells = num_cells
        self.cell_dtype = cell_dtype
        self.row_splits = self._constant("row_splits", num_rows + 1, "int64")
        narrow = num_columns <= np.iinfo(np.int16).max
        self.columns = self._constant("columns", num_cells, "int16" if narrow else "int32")
        self.cells = self._constant("cells", num_cells, cell_dtype)

    def _constant(self, name: str, length: int, dtype: str) -> Any:
        return self.add_weight(
            shape=(length,), dtype=dtype, initializer="zeros", trainable=False, name=name
        )

    @classmethod
    def of(cls, matrix: sp.csr_matrix, **kwargs: Any) -> SparseMatrix:
        """The layer of a given `(num_rows, num_columns)` CSR matrix."""
        num_rows, num_columns = matrix.shape
        with np.errstate(over="ignore"):
            half = matrix.data.astype(np.float16)
        cells = half if np.array_equal(half, matrix.data) else matrix.data.astype(np.float32)
        layer = cls(num_rows, num_columns, matrix.nnz, cells.dtype.name, **kwargs)
        layer.row_splits.assign(matrix.indptr.astype(np.int64))
        layer.columns.assign(matrix.indices.astype(layer.columns.dtype))
        layer.cells.assign(cells)
        return layer

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Nothing to make: the cells have their number from the arguments."""
        self.built = True

    def call(self, inputs: Any) -> Any:
        """Rows named by, or the product with, `inputs`."""
        batch = tf.shape(inputs)[0]
        if _names_rows(inputs):
            columns, cells, row = self._rows(inputs)
            place = tf.stack([tf.cast(row, tf.int32), columns], axis=1)  # (num_read, 2)
            return tf.scatter_nd(place, cells, (batch, self.num_columns))
        return self._product(tf.ensure_shape(inputs, (None, self.num_rows)))

    def _product(self, vectors: tf.Tensor) -> tf.Tensor:
        """`(batch, num_rows)` → `(batch, num_columns)`."""
        used = tf.where(tf.not_equal(vectors, 0.0))  # (num_used, 2): number of a vector, row
        splits = tf.convert_to_tensor(self.row_splits)
        lengths = tf.gather(splits, used[:, 1] + 1) - tf.gather(splits, used[:, 1])
        return tf.cond(
            tf.reduce_sum(lengths) > _READINGS * self.num_cells,
            lambda: self._product_of_all(vectors, splits),
            lambda: self._product_of_used(vectors, used, lengths),
        )

    def _product_of_used(
        self, vectors: tf.Tensor, used: tf.Tensor, lengths: tf.Tensor
    ) -> tf.Tensor:
        """By the rows under the non-zero cells `used` of each vector."""
        factors = tf.gather_nd(vectors, used)
        batch = tf.shape(vectors)[0]

        def part(first: tf.Tensor, end: tf.Tensor) -> tf.Tensor:
            columns, cells, row = self._rows(used[first:end, 1])
            cells *= tf.gather(factors[first:end], row)
            start = tf.cast(used[first:end, 0], tf.int32) * self.num_columns
            places = tf.gather(start, row) + columns
            return tf.math.unsorted_segment_sum(cells, places, batch * self.num_columns)

        sums = _sum_of_parts(part, lengths, [batch * self.num_columns])
        return tf.reshape(sums, (-1, self.num_columns))

    def _product_of_all(self, vectors: tf.Tensor, splits: tf.Tensor) -> tf.Tensor:
        """By every row once, for all vectors: where they would be read many times."""
        transposed = tf.transpose(vectors)  # (num_rows, batch)

        def part(first: tf.Tensor, end: tf.Tensor) -> tf.Tensor:
            columns, cells, row = self._rows(tf.range(tf.cast(first, tf.int64), end))
            indices = tf.stack([row, tf.cast(columns, tf.int64)], axis=1)
            matrix = tf.SparseTensor(indices, cells, (end - first, self.num_columns))
            return tf.sparse.sparse_dense_matmul(matrix, transposed[first:end], adjoint_a=True)

        shape = [self.num_columns, tf.shape(vectors)[0]]
        return tf.transpose(_sum_of_parts(part, splits[1:] - splits[:-1], shape))

    def _rows(self, rows: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """The columns, cells and position in `rows` of every cell of `rows`, `(num_read,)` each."""
        splits = tf.convert_to_tensor(self.row_splits)
        cell = tf.ragged.range(tf.gather(splits, rows), tf.gather(splits, rows + 1))
        columns = tf.gather(tf.convert_to_tensor(self.columns), cell.flat_values)
        cells = tf.gather(tf.convert_to_tensor(self.cells), cell.flat_values)
        return tf.cast(columns, tf.int32), tf.cast(cells, tf.float32), cell.value_rowids()

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, int]:
        """`(batch, num_columns)`."""
        return input_shape[0], self.num_columns

    def get_config(self) -> dict[str, Any]:
        """The arguments; the cells themselves are weights."""
        sizes = {"num_rows": self.num_rows, "num_columns": self.num_columns}
        config = _config(self, **sizes, num_cells=self.num_cells)
        return {**config, "cell_dtype": self.cell_dtype}


@keras.saving.register_keras_serializable("zoo")
class PastItems(FullPrecision):
    """A history as a vector over the catalog, in which older items have less weight.

    Inputs are item indices `(batch, steps)`, oldest first, 0 for padding. Outputs are
    `(batch, num_items)` float32: `2^(-later / half_life)` at each item of the history, with `later`
    the number of items after it; 1 when `half_life` is 0. An item that comes again counts as it
    did last.

    Args:
        num_items: Size of the catalog, index 0 included.
        half_life: After how many later items an item counts half; 0: never.
        **kwargs: Of `keras.layers.Layer`.
    """

    def __init__(self, num_items: int, half_life: float = 0.0, **kwargs: Any) -> None:
        super().__init__(trainable=False, **kwargs)
        self.num_items = num_items
        self.half_life = half_life

    def call(self, inputs: Any) -> Any:
        """Computes what the class describes."""
        weight = ops.cast(inputs > 0, "float32")  # (batch, steps)
        if self.half_life:
            later = ops.flip(ops.cumsum(ops.flip(weight, axis=1), axis=1), axis=1) - weight
            weight *= ops.power(2.0, -later / self.half_life)
        row = ops.expand_dims(ops.arange(ops.shape(inputs)[0], dtype=inputs.dtype), 1)
        place = ops.stack([ops.broadcast_to(row, ops.shape(inputs)), inputs], axis=2)
        empty = ops.zeros((ops.shape(inputs)[0], self.num_items))
        return tf.tensor_scatter_nd_max(empty, place, weight)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, int]:
        """`(batch, num_items)`."""
        return input_shape[0], self.num_items

    def get_config(self) -> dict[str, Any]:
        """The two arguments."""
        return {**_config(self, num_items=self.num_items), "half_life": self.half_life}


def _sum_of_parts(part: Any, lengths: tf.Tensor, shape: Any) -> tf.Tensor:
    """Sums `part(first, end)` over ranges of rows of about `_CELLS_AT_ONCE` cells together.

    Args:
        part: Takes two int64 numbers of rows; gives a tensor of `shape`.
        lengths: `(number,)` int64, the cells of each row.
        shape: Of the sum.
    """
    block = tf.cumsum(lengths) // _CELLS_AT_ONCE  # ascending
    last = tf.reduce_max(tf.pad(block, [[0, 1]]))
    limits = tf.searchsorted(block, tf.range(last + 2), out_type=tf.int64)

    def add(number: tf.Tensor, sums: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return number + 1, sums + part(limits[number], limits[number + 1])

    start = tf.zeros(shape)
    _, sums = tf.while_loop(
        lambda number, _: number < tf.size(limits) - 1,
        add,
        (tf.constant(0), start),
        shape_invariants=(tf.TensorShape([]), tf.TensorShape([None] * start.shape.rank)),
        parallel_iterations=1,
    )
    return sums


def _names_rows(inputs: Any) -> bool:
    return "int" in keras.backend.standardize_dtype(inputs.dtype)


def _config(layer: keras.layers.Layer, **sizes: int) -> dict[str, Any]:
    config = keras.layers.Layer.get_config(layer)
    config.pop("trainable", None)  # constant, whatever a caller says
    return {**config, **sizes}
