"""The data sets that the text benchmarks run on, by name."""

from __future__ import annotations

from pathlib import Path

from tfrec_fusion.data.sources.reading import read_tables
from tfrec_fusion.data.tables.rec_data import RecData, from_frames
from tfrec_fusion.data.tables.text_tables import read_text_table

MUSICAL_INSTRUMENTS = "musical-instruments"


def benchmark_tables(name: str, data_dir: Path | None) -> RecData:
    """Tables of a public data set, a folder, or Amazon's Musical Instruments reviews.

    Args:
        name: As `read_tables` takes it, or `musical-instruments`.
        data_dir: A local copy. For `musical-instruments`, which must not be redistributed, the
            folder with `reviews.csv.gz` (user_id, item_id, rating, timestamp, summary,
            review_text) and `items.csv` (item_id, title, category).

    Raises:
        ValueError: When `musical-instruments` is asked for without its folder.
    """
    if name != MUSICAL_INSTRUMENTS:
        return read_tables(name, data_dir)
    if data_dir is None:
        raise ValueError(f"{name} needs --data-dir, the folder with reviews.csv.gz and items.csv.")
    reviews = read_text_table(data_dir / "reviews.csv.gz")
    items = read_text_table(data_dir / "items.csv")
    reviews["text"] = reviews["summary"] + ". " + reviews["review_text"]
    items["text"] = items["category"]
    return from_frames(
        reviews.drop(columns=["summary", "review_text"]),
        items,
        rating_range=(1, 5),
        name=name,
        citation="R. He and J. McAuley. 2016. Ups and downs. WWW. Amazon data of 2014, 5-core.",
    )
