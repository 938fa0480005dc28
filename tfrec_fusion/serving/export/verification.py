"""Compares the answers of a SavedModel on disk with those of the models in memory.

The answers under test come from a process that has only TensorFlow; what is asked, and what must
be answered, is in `serving.questions`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tfrec_fusion.errors import UserError
from tfrec_fusion.serving.export.reload import call_in_clean_process

TOLERANCE = 1e-5


class ExportMismatch(UserError, RuntimeError):
    """The SavedModel does not answer as the model it was made from."""


@dataclass(frozen=True, eq=False)
class Question:
    """A call of a signature.

    Attributes:
        signature: Its name.
        inputs: Nested lists by name.
        check: Takes the answer; gives the largest difference of a number, or raises
            `ExportMismatch`.
    """

    signature: str
    inputs: dict[str, Any]
    check: Callable[[dict[str, Any]], float]

    @property
    def rows(self) -> int:
        """How many rows each input has; 0 where they differ, or there are none."""
        numbers = {len(nested) for nested in self.inputs.values()}
        return numbers.pop() if len(numbers) == 1 else 0


def verify_answers(
    version_dir: Path, questions: Sequence[Question]
) -> tuple[float, list[dict[str, Any]]]:
    """Asks a SavedModel in a clean process and checks what it says.

    Args:
        version_dir: The folder that holds `saved_model.pb`.
        questions: What to ask, see `serving.questions.questions_of`.

    Returns:
        The largest absolute difference of a number, and the answers.

    Raises:
        ExportMismatch: When an answer differs, or a model's scores are not finite.
    """
    calls = [{"signature": one.signature, "inputs": one.inputs} for one in questions]
    try:
        answers = call_in_clean_process(version_dir, calls)
    except RuntimeError as error:
        raise ExportMismatch(str(error)) from None
    differences = [one.check(answer) for one, answer in zip(questions, answers, strict=True)]
    return max(differences), answers


def compare_numbers(served: np.ndarray, expected: np.ndarray, name: str) -> float:
    """The largest difference.

    Raises:
        ExportMismatch: When one is above 1e-5, relative above 1, or the shapes differ.
    """
    wide, right = served.astype(np.float64), expected.astype(np.float64)
    if wide.shape != right.shape:
        raise ExportMismatch(f"`{name}` must have the shape {right.shape}. Received: {wide.shape}.")
    difference = np.abs(wide - right)
    wrong = ~(difference <= TOLERANCE * np.maximum(1.0, np.abs(right)))
    if wrong.any():
        where = tuple(int(one) for one in np.argwhere(wrong)[0])
        raise ExportMismatch(
            f"`{name}` of the SavedModel differs from the model in memory at {where}: "
            f"{wide[where]:.6g}, expected {right[where]:.6g} within {TOLERANCE:g}. "
            "Nothing was exported."
        )
    return float(difference.max(initial=0.0))
