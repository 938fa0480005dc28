"""Kinds of indices by name, and what each needs. Importing this imports no TensorFlow."""

from __future__ import annotations

import os
from typing import Literal

Precision = Literal["float32", "bfloat16", "int8"]  # of an inverted file's vectors
Kind = Literal["scann", "brute_force"]  # of TensorFlow Recommenders
PROCESS = {"TF_USE_LEGACY_KERAS": "1"}
PACKAGES = ("tensorflow_recommenders", "tf_keras", "scann")


def has_its_keras() -> bool:
    """Returns whether this process is one for TensorFlow Recommenders."""
    return PROCESS.items() <= os.environ.items()
