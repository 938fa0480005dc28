"""Where downloads and text vectors are kept between runs."""

from __future__ import annotations

import os
from pathlib import Path

CACHE_VARIABLE = "TFREC_FUSION_CACHE"


def cache_folder(cache_dir: str | Path | None = None) -> Path:
    """The folder downloads are kept in: `cache_dir`, or the variable, or the user's cache."""
    if cache_dir is None:
        cache_dir = os.environ.get(CACHE_VARIABLE)
    if cache_dir:
        return Path(cache_dir).expanduser()
    import pooch

    return Path(pooch.os_cache("tfrec_fusion"))
