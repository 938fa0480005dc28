"""How much of a language model is trained: nothing, low-rank updates (LoRA), or all of it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, get_args

import keras

from tfrec_fusion.errors import InvalidInput

Mode = Literal["frozen", "lora", "full"]


@dataclass(frozen=True)
class Adaptation:
    """What `adapt` left trainable.

    Attributes:
        mode: The mode that was asked for.
        num_trainable: Number of trainable parameters of the backbone.
        num_total: Number of its parameters, the added low-rank factors included.
        lora_projections: The projections that have low-rank factors, in the backbone's order.
    """

    mode: Mode
    num_trainable: int
    num_total: int
    lora_projections: tuple[keras.layers.Layer, ...] = ()

    @property
    def trainable_share(self) -> float:
        """Trainable parameters as a share of all, between 0 and 1."""
        return self.num_trainable / self.num_total

    def __str__(self) -> str:
        return (
            f"{self.mode}: {self.num_trainable:,} of {self.num_total:,} parameters are trained "
            f"({self.trainable_share:.2%})"
        )


def adapt(
    backbone: keras.Model,
    mode: Mode = "frozen",
    *,
    lora_rank: int = 8,
    lora_layers: int | None = None,
) -> Adaptation:
    """Chooses which of a backbone's weights are trained, in place.

    `frozen`: none. `lora`: low-rank factors added to the query and value projections, everything
    else stays as it is. `full`: all weights that the token vectors depend on (BERT's pooler, for
    one, is not among them).

    Args:
        backbone: A KerasHub backbone.
        mode: `frozen`, `lora` or `full`.
        lora_rank: Rank of the factors, positive; only read with `lora`.
        lora_layers: How many of the last transformer blocks get factors; None: all of them.

    Returns:
        What is trained now, countable and printable.

    Raises:
        ValueError: When an argument is out of its range, or the backbone has factors already.

    Source: Hu et al. 2021, LoRA (https://arxiv.org/abs/2106.09685), as `enable_lora` of Keras's
    dense layers does it.

    Example:

    >>> import keras_hub
    >>> backbone = keras_hub.models.BertBackbone(
    ...     vocabulary_size=10, num_layers=2, num_heads=2, hidden_dim=8, intermediate_dim=16)
    >>> adapt(backbone, "lora", lora_rank=2, lora_layers=1).num_trainable
    80
    """
    _check(backbone, mode, lora_rank, lora_layers)
    if mode == "lora":
        projections = _add_factors(backbone, lora_rank, lora_layers)
    else:
        projections = ()
        backbone.trainable = mode == "full"
        _freeze_what_is_unused(backbone)
    num_trainable, num_total = _count(backbone.trainable_weights), _count(backbone.weights)
    return Adaptation(mode, num_trainable, num_total, projections)


def sequence_output(backbone: keras.Model) -> Any:
    """The symbolic tensor `(batch, length, dim)` of a backbone's token vectors."""
    outputs = backbone.output
    return outputs["sequence_output"] if isinstance(outputs, dict) else outputs


@keras.saving.register_keras_serializable("tfrec_fusion")
class LoraFactors(keras.layers.Layer):
    """Keeps low-rank factors apart when their model is saved.

    Keras saves a projection with its factors merged into the kernel and loads the factors as
    zeros, and two factors that are both zero have zero gradients: training could never go on. This
    layer, visited after the backbone because its owner names it so, saves the kernel and the
    factors as they are and puts them back.

    Args:
        projections: Layers on which `enable_lora` was called.
        **kwargs: Arguments of `keras.layers.Layer`.

    Example:

    >>> dense = keras.layers.Dense(3)
    >>> dense.build((None, 4))
    >>> dense.enable_lora(2)
    >>> store = {}
    >>> LoraFactors((dense,)).save_own_variables(store)
    >>> [(name, tuple(value.shape)) for name, value in store.items()]
    [('0/kernel', (4, 3)), ('0/lora_kernel_a', (4, 2)), ('0/lora_kernel_b', (2, 3))]
    """

    def __init__(self, projections: tuple[keras.layers.Layer, ...] = (), **kwargs: Any) -> None:
        super().__init__(**kwargs)
        # Behind a function, for Keras must not count the projections as parts of this layer.
        self._projections = lambda: projections
        self.built = True

    def save_own_variables(self, store: Any) -> None:
        """Writes kernels and factors into the file's own group."""
        for name, variable in self._named():
            store[name] = variable

    def load_own_variables(self, store: Any) -> None:
        """Puts kernels and factors back."""
        for name, variable in self._named():
            variable.assign(store[name])

    def _named(self) -> Iterator[tuple[str, keras.Variable]]:
        for number, projection in enumerate(self._projections()):
            for variable in projection.weights:
                if variable.name in ("kernel", "lora_kernel_a", "lora_kernel_b"):
                    yield f"{number}/{variable.name}", variable


def _check(backbone: keras.Model, mode: str, lora_rank: int, lora_layers: int | None) -> None:
    if mode not in get_args(Mode):
        raise InvalidInput(
            f"`mode` must be one of {', '.join(get_args(Mode))}. Received: mode={mode!r}."
        )
    if mode != "lora":
        return
    if lora_rank < 1:
        raise InvalidInput(f"`lora_rank` must be positive. Received: lora_rank={lora_rank}.")
    if lora_layers is not None:
        num_blocks = len(_blocks(backbone))
        if not 1 <= lora_layers <= num_blocks:
            raise InvalidInput(
                "`lora_layers` must be between 1 and the number of transformer blocks, or None for "
                f"all. Received: lora_layers={lora_layers}, blocks={num_blocks}."
            )
    if any(getattr(layer, "lora_enabled", False) for layer in _layers_of(backbone)):
        raise InvalidInput(
            "The backbone has low-rank factors already. Load it again to start anew."
        )


def _blocks(backbone: keras.Model) -> list[keras.layers.Layer]:
    blocks = getattr(backbone, "transformer_layers", None)
    if not blocks:
        raise InvalidInput(
            "`lora_layers` needs a backbone that lists its `transformer_layers`. Received: "
            f"{type(backbone).__name__}. Leave `lora_layers` out to adapt all of them."
        )
    return list(blocks)


def _layers_of(part: keras.layers.Layer) -> list[keras.layers.Layer]:
    """A layer's own layers, however deep; Keras has no public name for this."""
    return list(part._flatten_layers(include_self=False))


def _add_factors(
    backbone: keras.Model, rank: int, lora_layers: int | None
) -> tuple[keras.layers.Layer, ...]:
    adapted = [backbone] if lora_layers is None else _blocks(backbone)[-lora_layers:]
    names = set(backbone.default_lora_layer_names())
    projections = tuple(
        layer
        for part in adapted
        for layer in _layers_of(part)
        if layer.name in names and hasattr(layer, "enable_lora")
    )
    if not projections:
        raise InvalidInput(
            f"{type(backbone).__name__} has no projection named {', '.join(sorted(names))} to "
            "adapt. Choose mode='full'."
        )
    backbone.trainable = True
    for weight in backbone.weights:
        weight.trainable = False
    for projection in projections:
        projection.enable_lora(rank)
    return projections


def _freeze_what_is_unused(backbone: keras.Model) -> None:
    used = keras.Model(backbone.inputs, sequence_output(backbone)).layers
    for layer in backbone.layers:
        if layer not in used:
            layer.trainable = False


def _count(weights: list[keras.Variable]) -> int:
    return sum(math.prod(weight.shape) for weight in weights)
