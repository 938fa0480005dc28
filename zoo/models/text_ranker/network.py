"""The text ranker as a Keras functional model."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import keras
from keras import ops

from tfrec_fusion.errors import InvalidInput
from tfrec_fusion.layers.precision import dtype_policy_scope
from tfrec_fusion.layers.texts import JoinedTexts, NgramBag
from tfrec_fusion.text.language_models.adaptation import Mode
from tfrec_fusion.text.language_models.tower import Pooling, TextTower
from tfrec_fusion.zoo.ranges import check_options
from tfrec_fusion.zoo.spec import option

OUTPUTS = {"click": "logits", "recommendation": "logits", "rating": "rating"}


@dataclass(frozen=True)
class TextRankerConfig:
    """Sizes and choices of a text ranker.

    Attributes:
        target: What is predicted: `"click"`, `"recommendation"` or `"rating"`.
        vector_dim: Size of text vectors computed beforehand, which are then inputs; 0 reads
            tokens with a language model, or with the lexical path alone without one.
        pair: How a language model reads the two texts: `"towers"` or `"cross"`.
        mode: What of the language model is trained: `"frozen"`, `"lora"` or `"full"`.
        pooling: `"mean"`, `"first"` or `"last"` token.
        lora_rank: Rank of the low-rank factors.
        lora_layers: How many of the last transformer blocks get them; None: all.
        full_layers: How many of the last transformer blocks `"full"` trains; None: everything.
            No gradients are computed below them, which saves most of the time.
        hidden_units: Sizes of the hidden layers over the features.
        dropout: Rate on the features and after each hidden layer.
        lexical_buckets: Hashed n-grams that the lexical path distinguishes; 0 omits the path.
        ngrams: The longest n-gram of the lexical path.
        lexical_scale: Multiplies the lexical path, so that at one learning rate its weights,
            which start at 0, move faster than those of the language model.
    """

    target: str = option("click", "what is predicted", choices=tuple(OUTPUTS))
    vector_dim: int = 0
    pair: str = option("towers", "reading of the two texts", choices=("towers", "cross"))
    mode: Mode = option(  # noqa: RUF009
        "frozen", "training of the language model", choices=("frozen", "lora", "full")
    )
    pooling: Pooling = option(  # noqa: RUF009
        "mean", "pooled token", choices=("mean", "first", "last")
    )
    lora_rank: int = option(8, "rank of the low-rank factors")
    lora_layers: int | None = option(None, "last blocks adapted; all by default")
    full_layers: int | None = option(None, "last blocks tuned by full; all by default")
    hidden_units: tuple[int, ...] = option((128,), "hidden sizes")
    dropout: float = option(0.2, "dropout rate")
    lexical_buckets: int = option(2**17, "hashed n-grams; 0 omits the lexical path")
    ngrams: int = option(2, "longest n-gram of the lexical path")
    lexical_scale: float = option(1.0, "multiplies the lexical path")

    def __post_init__(self) -> None:
        check_options(self)
        if self.vector_dim < 0 or self.lexical_buckets < 0:
            raise InvalidInput(
                "`vector_dim` and `lexical_buckets` must not be negative. Received: "
                f"vector_dim={self.vector_dim}, lexical_buckets={self.lexical_buckets}."
            )
        if self.vector_dim and (self.mode != "frozen" or self.pair != "towers"):
            raise InvalidInput(
                "Vectors computed beforehand are those of a frozen model that reads each text "
                f"alone. Received: vector_dim={self.vector_dim}, mode={self.mode!r}, "
                f"pair={self.pair!r}. Give a `backbone` instead of `vector_dim`."
            )

    @property
    def output(self) -> str:
        """The name of the model's output: `logits` or `rating`."""
        return OUTPUTS[self.target]


@keras.saving.register_keras_serializable("tfrec_fusion")
class TextRanker(keras.Model):
    """One score for each pair of a user's text and an item's text, as a functional model.

    Inputs, by what the config reads: `user_token_ids (batch, user_length)` and `item_token_ids
    (batch, item_length)` int32, padded on the right, with `user_num_tokens` and
    `item_num_tokens (batch,)` int32, 0 for an empty text; `user_vector` and `item_vector (batch,
    vector_dim)` float32. Output `{"logits": (batch,)}`, or `{"rating": (batch,)}`.

    Args:
        config: Sizes and choices.
        tower: The language model with its pooling; None reads vectors, or the lexical path alone.
        **kwargs: Arguments of `keras.Model`.

    Raises:
        ValueError: When the config and the tower leave nothing to read, or exclude each other.

    Example:

    >>> import numpy as np
    >>> model = text_ranker(vector_dim=4, lexical_buckets=0)
    >>> vectors = np.ones((3, 4), np.float32)
    >>> model({"user_vector": vectors, "item_vector": vectors})["logits"].shape
    TensorShape([3])
    """

    def __init__(
        self, config: TextRankerConfig, tower: TextTower | None = None, **kwargs: Any
    ) -> None:
        _check_sources(config, tower)
        has_vectors = tower is not None or config.vector_dim > 0
        if tower is not None and config.mode == "full" and config.full_layers is not None:
            _freeze_below(tower.backbone, config.full_layers)

        # === Layers ===
        layers: dict[str, Any] = {
            "dropout": keras.layers.Dropout(config.dropout, name="dropout"),
            "output": keras.layers.Dense(
                # Alone, the lexical path is to start as it is, not at a random scale.
                1,
                kernel_initializer="glorot_uniform" if has_vectors else "ones",
                dtype="float32",
                name="output",
            ),
        }
        for number, units in enumerate(config.hidden_units):
            name = f"hidden_{number}"
            layers[name] = keras.layers.Dense(units, activation="relu", name=name)
        for side in ("user", "item") if config.lexical_buckets else ():
            name = f"{side}_ngrams"
            layers[name] = NgramBag(
                config.lexical_buckets, 1, config.ngrams, dtype="float32", name=name
            )

        # === Functional ===
        inputs = _inputs(config, tower)
        logit = None
        for side in ("user", "item") if config.lexical_buckets else ():
            bag = (
                layers[f"{side}_ngrams"](*_text(inputs, side)) * config.lexical_scale
            )  # (batch, 1)
            logit = bag if logit is None else logit + bag
        if has_vectors:
            features = _features(config, tower, inputs)  # (batch, feature_dim)
            hidden = layers["dropout"](features)
            for number in range(len(config.hidden_units)):
                hidden = layers["dropout"](layers[f"hidden_{number}"](hidden))
            deep = layers["output"](hidden)  # (batch, 1)
            logit = deep if logit is None else logit + deep
        else:
            logit = layers["output"](logit)
        outputs = {config.output: ops.squeeze(logit, axis=-1)}  # (batch,)
        super().__init__(inputs=inputs, outputs=outputs, **kwargs)

        # === Config ===
        self.config = config
        self.tower = tower

    def get_config(self) -> dict[str, Any]:
        """The arguments to build it again."""
        tower = None if self.tower is None else keras.saving.serialize_keras_object(self.tower)
        return {
            "config": asdict(self.config),
            "tower": tower,
            "name": self.name,
            "trainable": self.trainable,
            "dtype": self.dtype_policy.name,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> TextRanker:
        """Builds the model of a config."""
        tower = config["tower"] and keras.saving.deserialize_keras_object(config["tower"])
        with dtype_policy_scope(config.get("dtype", "float32")):
            return cls(TextRankerConfig(**config["config"]), tower, name=config["name"])


def text_ranker(backbone: keras.Model | None = None, **choices: Any) -> TextRanker:
    """A text ranker; see `TextRankerConfig` for the keywords.

    Args:
        backbone: A KerasHub backbone, which is adapted in place as `mode` says; None for vectors
            computed beforehand (`vector_dim`) or the lexical path alone.
        **choices: Fields of `TextRankerConfig`.

    Example: a language model and a lexical path, trained on clicks.

    >>> import keras_hub
    >>> backbone = keras_hub.models.BertBackbone(
    ...     vocabulary_size=10, num_layers=1, num_heads=2, hidden_dim=8, intermediate_dim=16)
    >>> list(text_ranker(backbone, mode="lora", pair="cross", lora_rank=2).output)
    ['logits']
    """
    config = TextRankerConfig(**choices)
    tower = None
    if backbone is not None:
        tower = TextTower(
            backbone,
            config.pooling,
            mode=config.mode,
            lora_rank=config.lora_rank,
            lora_layers=config.lora_layers,
            name="tower",
        )
    return TextRanker(config, tower, name="text_ranker")


def _check_sources(config: TextRankerConfig, tower: TextTower | None) -> None:
    if tower is not None and config.vector_dim:
        raise InvalidInput(
            "Give a language model or `vector_dim`, not both. "
            f"Received: a tower of dim {tower.dim} and vector_dim={config.vector_dim}."
        )
    if tower is None and config.mode != "frozen":
        raise InvalidInput(
            f"mode={config.mode!r} needs a language model to train. Give a `backbone`."
        )
    if tower is None and not config.vector_dim and not config.lexical_buckets:
        raise InvalidInput(
            "There is nothing to read. Give a `backbone`, or a positive `vector_dim` or "
            "`lexical_buckets`."
        )


def _freeze_below(backbone: keras.Model, num_blocks: int) -> None:
    """Leaves only the last transformer blocks, and what comes after them, to be trained."""
    blocks = getattr(backbone, "transformer_layers", [])
    if not 1 <= num_blocks <= len(blocks):
        raise InvalidInput(
            "`full_layers` must be between 1 and the number of transformer blocks, or None for "
            f"everything. Received: full_layers={num_blocks}, blocks={len(blocks)}."
        )
    order = list(backbone.layers)  # in the order of the graph
    for layer in order[: order.index(blocks[-num_blocks])]:
        layer.trainable = False


def _inputs(config: TextRankerConfig, tower: TextTower | None) -> dict[str, Any]:
    inputs = {}
    for side in ("user", "item"):
        if tower is not None or config.lexical_buckets:
            ids, num = f"{side}_token_ids", f"{side}_num_tokens"
            inputs[ids] = keras.Input((None,), dtype="int32", name=ids)
            inputs[num] = keras.Input((), dtype="int32", name=num)
        if config.vector_dim:
            name = f"{side}_vector"
            inputs[name] = keras.Input((config.vector_dim,), dtype="float32", name=name)
    return inputs


def _text(inputs: dict[str, Any], side: str) -> tuple[Any, Any]:
    return inputs[f"{side}_token_ids"], inputs[f"{side}_num_tokens"]


def _features(config: TextRankerConfig, tower: TextTower | None, inputs: dict[str, Any]) -> Any:
    """`(batch, dim)` of a joint reading, `(batch, 4 * dim)` of two."""
    if tower is not None and config.pair == "cross":
        joined = JoinedTexts(name="joined")(*_text(inputs, "user"), *_text(inputs, "item"))
        return tower(*joined)
    user, item = (
        inputs[f"{side}_vector"] if tower is None else tower(*_text(inputs, side))
        for side in ("user", "item")
    )
    return ops.concatenate([user, item, ops.abs(user - item), user * item], axis=-1)
