"""Sequences of tokens as arrays of one width: packed to train on, in windows to be measured."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from tfrec_fusion.errors import InvalidInput


class PackedBlocks(keras.utils.PyDataset):
    """Batches of blocks without padding: texts one after the other, in a new order each epoch.

    A block begins wherever the one before it ended, within a text or not, so the position of a
    text in it is no constant. What does not fill a batch is left to another epoch.

    Args:
        sequences: Token ids, each beginning and ending with the end token.
        length: Tokens a block.
        batch_size: Blocks a batch; fewer where there are not so many.
        seed: Seed of the orders.

    Raises:
        ValueError: When the texts do not fill one block.

    Example:
    >>> batches = PackedBlocks([np.array([9, 1, 2, 9]), np.array([9, 1, 2, 9])], 3, 8, seed=0)
    >>> inputs, targets = batches[0]
    >>> inputs["token_ids"].tolist(), targets.tolist()
    ([[9, 1, 2], [9, 1, 2]], [[1, 2, 9], [1, 2, 9]])
    """

    def __init__(
        self, sequences: Sequence[np.ndarray], length: int, batch_size: int, seed: int
    ) -> None:
        super().__init__()
        self.length, self.rng = length, np.random.default_rng(seed)
        self.sequences = [sequence[:-1] for sequence in sequences]
        self.end = sequences[0][-1:]
        num_blocks = sum(map(len, self.sequences)) // length
        if not num_blocks:
            raise InvalidInput(
                f"The texts to train on must fill one block of {length} tokens. Received: "
                f"{sum(map(len, self.sequences))} tokens. Give more texts, or lower `max_length`."
            )
        self.batch_size = min(batch_size, num_blocks)
        self.on_epoch_end()

    def __len__(self) -> int:
        return len(self.inputs) // self.batch_size

    def __getitem__(self, index: int) -> tuple[dict[str, np.ndarray], np.ndarray]:
        rows = slice(index * self.batch_size, (index + 1) * self.batch_size)
        return model_inputs(self.inputs[rows]), self.targets[rows]

    def on_epoch_end(self) -> None:
        """Packs the texts anew, in another order."""
        order = self.rng.permutation(len(self.sequences))
        stream = np.concatenate([*(self.sequences[i] for i in order), self.end])
        num_blocks = (len(stream) - 1) // self.length
        start = self.rng.integers(len(stream) - num_blocks * self.length)
        stream = stream[start : start + num_blocks * self.length + 1]
        self.inputs = stream[:-1].reshape(num_blocks, self.length)
        self.targets = stream[1:].reshape(num_blocks, self.length)


def windows(
    sequences: Sequence[np.ndarray], length: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Every token to be predicted once, from what came before it in its own text.

    A text longer than a window goes on in another that overlaps half of it, so that a token is
    predicted from at least `length // 2` before it, where there are so many.

    Args:
        sequences: Token ids, each beginning and ending with the end token.
        length: Tokens a window, at least 2.

    Returns:
        Tokens, those that follow them, and whether those are to be counted here, each
        `(num_windows, length)`; padded with 0 on the right.

    Example:
    >>> tokens, targets, counted = windows([np.array([9, 1, 2, 3, 4, 5, 9])], 4)
    >>> targets.tolist(), counted.astype(int).tolist()
    ([[1, 2, 3, 4], [3, 4, 5, 9]], [[1, 1, 1, 1], [0, 0, 1, 1]])
    """
    step = length - length // 2
    rows: list[tuple[np.ndarray, np.ndarray, int]] = []
    for sequence in sequences:
        known, start = 0, 0  # targets already counted; where the window begins
        while known < len(sequence) - 1:
            targets = sequence[start + 1 : start + length + 1]
            rows.append((sequence[start : start + len(targets)], targets, known - start))
            known, start = start + len(targets), start + step
    tokens = np.zeros((len(rows), length), np.int32)
    following, counted = np.zeros_like(tokens), np.zeros(tokens.shape, bool)
    for row, (before, targets, skipped) in enumerate(rows):
        tokens[row, : len(before)] = before
        following[row, : len(targets)] = targets
        counted[row, skipped : len(targets)] = True
    return tokens, following, counted


def model_inputs(token_ids: np.ndarray) -> dict[str, Any]:
    """The backbone's inputs for rows of tokens. Without a mask, as padding is only to the right.

    A causal model's vectors do not depend on what comes after them.
    """
    return {"token_ids": token_ids, "padding_mask": np.ones_like(token_ids)}
