"""The models by name, what each is, and the keywords it takes."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from dataclasses import MISSING, Field, fields
from typing import Any

from tfrec_fusion.argument_types import check_types
from tfrec_fusion.errors import InvalidInput
from tfrec_fusion.zoo.baselines.registry import BASELINES
from tfrec_fusion.zoo.models.multi_task.config import MultiTaskConfig
from tfrec_fusion.zoo.models.multi_task.network import multi_task
from tfrec_fusion.zoo.models.ncf import NCFConfig, gmf, mlp, neumf
from tfrec_fusion.zoo.models.profile_fusion.config import ProfileSemanticsBehaviourConfig
from tfrec_fusion.zoo.models.profile_fusion.network import profile_semantics_behaviour
from tfrec_fusion.zoo.models.text_hybrid.config import GPT2HybridConfig
from tfrec_fusion.zoo.models.text_hybrid.knowledge import KnowledgeHybridConfig, knowledge_hybrid
from tfrec_fusion.zoo.models.text_hybrid.network import gpt2_hybrid
from tfrec_fusion.zoo.models.two_tower import TwoTowerConfig, two_tower

NETWORKS: dict[str, Callable[..., Any]] = {
    "gmf": gmf,
    "mlp": mlp,
    "neumf": neumf,
    "two_tower": two_tower,
    "gpt2_hybrid": gpt2_hybrid,
    "knowledge_hybrid": knowledge_hybrid,
    "multi_task": multi_task,
    "profile_semantics_behaviour": profile_semantics_behaviour,
}
HYBRIDS = ("gpt2_hybrid", "knowledge_hybrid", "multi_task")
READS_TEXT = (*HYBRIDS, "profile_semantics_behaviour")
HAS_TASKS = ("multi_task", "profile_semantics_behaviour")
MODELS: dict[str, Callable[..., Any]] = {**BASELINES, **NETWORKS}
SUMMARIES = {
    "popularity": "what most people took",
    "user_knn": "what similar users took (cosine or Pearson)",
    "item_knn": "items often taken together",
    "tfidf": "items whose words are like those of the user's items",
    "ease": "the best linear item-item model, in closed form (Steck 2019)",
    "gmf": "generalized matrix factorization (He et al. 2017)",
    "mlp": "multi-layer perceptron over user and item (He et al. 2017)",
    "neumf": "GMF and MLP fused (He et al. 2017)",
    "two_tower": "query tower over the user's history, candidate tower over items",
    "gpt2_hybrid": "two towers or NCF over a language model's text vectors and behaviour",
    "knowledge_hybrid": "gpt2_hybrid with a knowledge graph as a further source",
    "multi_task": "gpt2_hybrid trained along with ratings, sentiment and words of reviews",
    "profile_semantics_behaviour": "user profile, item semantics and behaviour under one reading",
}
_CONFIGS: dict[str, Any] = {
    "gmf": NCFConfig,
    "mlp": NCFConfig,
    "neumf": NCFConfig,
    "two_tower": TwoTowerConfig,
    "gpt2_hybrid": GPT2HybridConfig,
    "knowledge_hybrid": KnowledgeHybridConfig,
    "multi_task": MultiTaskConfig,
    "profile_semantics_behaviour": ProfileSemanticsBehaviourConfig,
}
_TEXT_ARRAYS = ("item_text", "user_text", "text_tower", "item_tokens")
_ARRAYS = {
    "two_tower": ("item_features",),
    "gpt2_hybrid": _TEXT_ARRAYS,
    "knowledge_hybrid": ("knowledge", *_TEXT_ARRAYS),
    "multi_task": ("tokenizer", "backbone", "review_dim", "review_preset", *_TEXT_ARRAYS),
    "profile_semantics_behaviour": ("item_text", "profile_text", "item_words", "user_words"),
}


def list_models() -> list[str]:
    """Names that `build` takes, baselines first."""
    return list(MODELS)


def build(name: str, **arguments: Any) -> Any:
    """A model by name.

    Args:
        name: One of `list_models()`.
        **arguments: The model's keywords. Neural models need `num_users` and `num_items`, the
            sizes of the vocabularies (the unseen index 0 included); classics learn them in `fit`.

    Returns:
        A `keras.Model`, or a classic with `fit(events, item_texts)`.

    Raises:
        ValueError: When the name or a keyword is unknown; the message lists the valid ones.
        TypeError: When a keyword has a value of another type.

    Example:

    >>> build("two_tower", num_users=944, num_items=1683, dim=32).name
    'two_tower'
    """
    check_name(name)
    sizes = ("num_users", "num_items") if name in NETWORKS else ()
    missing = [size for size in sizes if size not in arguments]
    if missing:
        raise InvalidInput(f"{name} needs {' and '.join(f'`{size}`' for size in missing)}.")
    extra = _ARRAYS.get(name, ())
    valid = [*sizes, *(one.name for one in hyperparameters(name)), *extra]
    unknown = [argument for argument in arguments if argument not in valid]
    if unknown:
        raise InvalidInput(f"{name} takes {', '.join(valid)}. Received: {', '.join(unknown)}.")
    config = _CONFIGS.get(name, MODELS[name])
    check_types([one for one in fields(config) if one.name in valid], arguments)
    return MODELS[name](**arguments)


def hyperparameters(name: str) -> list[Field[Any]]:
    """The dataclass fields a model's keywords come from: name, type, default and help.

    Raises:
        ValueError: When the name is unknown.
    """
    check_name(name)
    chosen = [one for one in fields(_CONFIGS.get(name, MODELS[name])) if one.metadata]
    left_out = {
        "gmf": ("mlp_dim", "mlp_units"),
        "mlp": ("gmf_dim",),
        "knowledge_hybrid": ("head", "mlp_units"),
        "multi_task": ("head", "mlp_units", "negatives"),
    }.get(name, ())
    return [one for one in chosen if one.name not in left_out and one.default is not MISSING]


def check_name(name: object) -> None:
    """Refuses what is no name of a model.

    Raises:
        InvalidInput: With the names, and the one that was probably meant.
    """
    if isinstance(name, str) and name in MODELS:
        return
    close = difflib.get_close_matches(str(name).casefold(), MODELS, n=1)
    meant = f" Did you mean {close[0]!r}?" if close and isinstance(name, str) else ""
    raise InvalidInput(f"`name` must be one of {', '.join(MODELS)}. Received: {name!r:.60}.{meant}")
