"""Lists of models: what can be built, and what is prebuilt."""

from __future__ import annotations

from typing import Any, Literal, overload

import pandas as pd

from tfrec_fusion.zoo.prebuilt.card import table_of_cards
from tfrec_fusion.zoo.registry import specs


@overload
def list_models(pretrained: Literal[False] = False) -> list[str]: ...


@overload
def list_models(pretrained: Literal[True]) -> pd.DataFrame: ...


def list_models(pretrained: bool = False) -> Any:
    """Names that `build` takes, baselines first.

    Args:
        pretrained: Instead, a table of the trained models that `load` takes, with their numbers.
    """
    return table_of_cards() if pretrained else list(specs())
