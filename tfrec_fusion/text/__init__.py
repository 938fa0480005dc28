"""Language models and what is read from texts: vectors, users' interests, words that count.

>>> from tfrec_fusion import text
>>> text.preset_names()
['minilm', 'tiny_gpt2']
>>> text.TextEncoder("minilm").encode(["a robot in love"]).shape  # doctest: +SKIP
(1, 384)
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tfrec_fusion.text.attribution import WordEffects
    from tfrec_fusion.text.encoding.encoder import TextEncoder
    from tfrec_fusion.text.encoding.item_vectors import item_encoder, text_vectors
    from tfrec_fusion.text.encoding.store import TextStore
    from tfrec_fusion.text.encoding.tokens import TextTokens
    from tfrec_fusion.text.interests.interests import mine_interests
    from tfrec_fusion.text.interests.profiles import Interests, Phrase
    from tfrec_fusion.text.interests.sentiment import Sentiment, fit_sentiment
    from tfrec_fusion.text.interests.user_words import user_words
    from tfrec_fusion.text.language_models.presets import LanguageModel, load_language_model
    from tfrec_fusion.text.language_models.registry import (
        PresetUnavailable,
        TextPreset,
        get_preset,
        preset_names,
        register_preset,
    )
    from tfrec_fusion.text.language_models.tower import TextTower
    from tfrec_fusion.text.language_models.wheel_models import WheelModel
    from tfrec_fusion.text.pretraining.augment import TextAugmentation
    from tfrec_fusion.text.pretraining.distillation import distil
    from tfrec_fusion.text.pretraining.pretrain import pretrain

_MODULES = {
    "attribution": ("WordEffects",),
    "encoding.encoder": ("TextEncoder",),
    "encoding.item_vectors": ("item_encoder", "text_vectors"),
    "encoding.store": ("TextStore",),
    "encoding.tokens": ("TextTokens",),
    "interests.interests": ("mine_interests",),
    "interests.profiles": ("Interests", "Phrase"),
    "interests.sentiment": ("Sentiment", "fit_sentiment"),
    "interests.user_words": ("user_words",),
    "language_models.presets": ("LanguageModel", "load_language_model"),
    "language_models.registry": (
        *("PresetUnavailable", "TextPreset", "get_preset", "preset_names", "register_preset"),
    ),
    "language_models.tower": ("TextTower",),
    "language_models.wheel_models": ("WheelModel",),
    "pretraining.augment": ("TextAugmentation",),
    "pretraining.distillation": ("distil",),
    "pretraining.pretrain": ("pretrain",),
}
_MODULE_OF = {name: module for module, names in _MODULES.items() for name in names}

__all__ = [
    "Interests",
    "LanguageModel",
    "Phrase",
    "PresetUnavailable",
    "Sentiment",
    "TextAugmentation",
    "TextEncoder",
    "TextPreset",
    "TextStore",
    "TextTokens",
    "TextTower",
    "WheelModel",
    "WordEffects",
    "distil",
    "fit_sentiment",
    "get_preset",
    "item_encoder",
    "load_language_model",
    "mine_interests",
    "preset_names",
    "pretrain",
    "register_preset",
    "text_vectors",
    "user_words",
]


def __getattr__(name: str) -> Any:
    """Imports Keras at the first use, not at the import."""
    if name in _MODULE_OF:
        return getattr(import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
    raise AttributeError(
        f"module {__name__!r} has no attribute {name!r}; it has {', '.join(__all__)}."
    )


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
