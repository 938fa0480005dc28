"""A GPT-2 of four layers that comes with the package; `benchmarks/tiny_gpt2.py` made it.

all-MiniLM-L6-v2 taught it which English texts are alike.
"""

from __future__ import annotations

from pathlib import Path

from tfrec_fusion.text.language_models.registry import TextPreset

NAME = "tiny_gpt2"


def _folder(cache: Path) -> Path:
    from tfrec_fusion.text.language_models.packaged_files import checked_folder

    return checked_folder(NAME)


PRESET = TextPreset(
    name=NAME,
    summary="a GPT-2 of four layers, taught by minilm which English texts are alike; offline",
    folder=_folder,
    license=(
        "the terms of what it learned from: WordNet 3.1 (Princeton University's license), the film "
        "texts of ml-latest-small (GroupLens: no commercial use without permission) and "
        "all-MiniLM-L6-v2 (Apache-2.0)"
    ),
    packaged=True,
    origin="is in the package",
    remedy="Install the version of tfrec-fusion that it was trained with, or train it again.",
)
