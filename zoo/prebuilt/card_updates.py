"""Cards written anew, where files of the package were changed on purpose."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from tfrec_fusion.files.checksums import checksum_of, checksums
from tfrec_fusion.files.lock import only_writer
from tfrec_fusion.text.language_models.revisions import preset_files
from tfrec_fusion.zoo.prebuilt.card import CARDS, Card, cards
from tfrec_fusion.zoo.prebuilt.load import WEIGHTS, run_of
from tfrec_fusion.zoo.prebuilt.package_files import remove_unnamed
from tfrec_fusion.zoo.prebuilt.publishing import WAIT_SECONDS
from tfrec_fusion.zoo.prebuilt.query_texts import catalog_vectors, query_reader
from tfrec_fusion.zoo.runs.run import PUBLISHED


def read_texts_again() -> list[Path]:
    """Reads every catalog anew, for text queries, and says so in the cards.

    To be called when the package's language model has changed; gives the files that it wrote. At
    any moment each card names files that are there.
    """
    written: dict[Path, None] = {}
    with only_writer(WEIGHTS, WAIT_SECONDS):
        reader = query_reader()
        for card in cards().values():
            texts = catalog_vectors(run_of(card), WEIGHTS / card.folder, reader, WEIGHTS)
            before = card.reader["texts"]
            name = texts.relative_to(WEIGHTS).as_posix()
            if (changed := reader | {"texts": name}) == card.reader:
                continue
            written[texts] = None
            files = {one: digest for one, digest in card.files.items() if one != before}
            files[name] = checksum_of(texts)
            replace(card, files=files, reader=changed).save(CARDS / f"{card.name}.json")
        for card in cards().values():
            remove_unnamed(WEIGHTS / card.folder, WEIGHTS)
    return list(written)


def name_files_again() -> list[Card]:
    """Writes the checksums of all that models are read from, as it is now, into their cards.

    To be called when a file of the package was changed on purpose; gives the cards that changed.
    """
    changed = []
    with only_writer(WEIGHTS, WAIT_SECONDS):
        for card in cards().values():
            there = (f"{card.folder}/{name}" for name in PUBLISHED)
            shared = [name for name in there if (WEIGHTS / name).exists()]
            presets = [*card.language_models, *(card.language_model or ())[:1]]
            new = replace(
                card,
                files=checksums(WEIGHTS, [*card.weights.values(), *shared, card.reader["texts"]]),
                reader={**card.reader, "files": preset_files(card.reader["preset"])},
                language_models={preset: preset_files(preset) for preset in presets},
            )
            if new != card:
                new.save(CARDS / f"{card.name}.json")
                changed.append(new)
    return changed
