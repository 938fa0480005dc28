"""A catalog's texts as the package's language model sees them, for text queries to find."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save

from tfrec_fusion.files.checksums import fault_of
from tfrec_fusion.files.whole import whole_file
from tfrec_fusion.zoo.answers.query_reader import READER, READER_LENGTH
from tfrec_fusion.zoo.prebuilt.card import cards
from tfrec_fusion.zoo.prebuilt.package_files import keep_own
from tfrec_fusion.zoo.runs.run import Run


def query_reader() -> dict[str, Any]:
    """Describes the encoder of queries for a card: see `Card.reader`, without `texts`."""
    # TF Text and KerasHub take seconds to import: other commands need not wait for them.
    from tfrec_fusion.text.encoding.encoder import TextEncoder
    from tfrec_fusion.text.language_models.revisions import preset_files

    encoder = TextEncoder(READER, max_length=READER_LENGTH)
    said = {"preset": READER, "max_length": READER_LENGTH, "fingerprint": encoder.fingerprint}
    return said | {"files": preset_files(READER)}


def catalog_vectors(run: Run, folder: Path, reader: Mapping[str, Any], root: Path) -> Path:
    """Returns the file of a catalog's vectors; makes it where no card names one.

    Args:
        run: The run, whose catalog is that of the folder.
        folder: The folder of `root` with the catalog.
        reader: Of `query_reader`.
        root: `zoo/prebuilt/weights`.

    Returns:
        A file of safetensors with `vectors`, `(num_items, dim)` in half precision.
    """
    columns = list(run.info["options"].get("text_columns", ()))
    for card in cards().values():
        same = list(card.options.get("text_columns", ())) == columns
        if root / card.folder == folder and same:
            texts = card.reader["texts"]
            whole = not fault_of(root / texts, card.files[texts])
            if whole and {**card.reader, "texts": ""} == {**reader, "texts": ""}:
                return root / texts
    unnamed = folder / ".texts.safetensors"
    _save_vectors(run, unnamed)
    return keep_own(unnamed, folder, "texts", root)


def _save_vectors(run: Run, path: Path) -> None:
    from tfrec_fusion.text.encoding.encoder import TextEncoder
    from tfrec_fusion.zoo.answers.semantic_search import SemanticSearch

    encoder = TextEncoder(READER, max_length=READER_LENGTH)
    search = SemanticSearch.over(run.items.ids, run.titles, run.texts, encoder)
    with whole_file(path) as file:
        file.write(save({"vectors": search.vectors.astype(np.float16)}, {"preset": READER}))
