"""MovieLens as its files come: the official layouts and RecBole's, each to the same tables."""

from __future__ import annotations

import io
import re

import pandas as pd

from tfrec_fusion.data.sources.layouts import Files, Layout, Tables

YEAR = re.compile(r"\s*\((\d{4})(?:\s*[-–]\s*(?:\d{4})?)?\)\s*(?:\(V\))?$")  # noqa: RUF001
GENRES_100K = (
    "unknown",
    "Action",
    "Adventure",
    "Animation",
    "Children's",
    "Comedy",
    "Crime",
    "Documentary",
    "Drama",
    "Fantasy",
    "Film-Noir",
    "Horror",
    "Musical",
    "Mystery",
    "Romance",
    "Sci-Fi",
    "Thriller",
    "War",
    "Western",
)
USER_COLUMNS = ["user_id", "age", "gender", "occupation", "zip_code"]
EVENT_COLUMNS = ["user_id", "item_id", "rating", "timestamp"]
GRAPH_FILES = ("ml-100k.kg", "ml-100k.link")


def split_year(titles: pd.Series) -> tuple[pd.Series, pd.Series]:
    """Titles without their year, and the years: `"Heat (1995)"` gives `"Heat"` and `"1995"`.

    The year of `"Cosmos (1980-1981)"` is `"1980"`; a title that names none has the year `""`.
    """
    plain = [" ".join(title.split()) for title in titles.fillna("")]
    years = [found.group(1) if (found := YEAR.search(title)) else "" for title in plain]
    plain = [YEAR.sub("", title) for title in plain]
    return pd.Series(plain, titles.index, dtype=str), pd.Series(years, titles.index, dtype=str)


def _described(items: pd.DataFrame, columns: tuple[str, ...]) -> pd.Series:
    """One sentence for each of `columns`, its "|" read as a comma.

    A text that would begin with the title's words has the title in front: they are no repetition.
    """
    text = pd.Series("", items.index, dtype=str)
    for column in columns:
        words = items[column].str.replace("|", ", ", regex=False)
        text = text + (" " + words + ".").where(words != "", "")
    rows = zip(items["title"], text.str.strip(), strict=True)
    told = [f"{title}. {one}" if _begins(one, title) else one for title, one in rows]
    return pd.Series(told, items.index, dtype=str)


def _begins(text: str, title: str) -> bool:
    return bool(title) and text.casefold().startswith(title.casefold())


def _table(content: bytes, sep: str, names: list[str] | None, encoding: str) -> pd.DataFrame:
    """Every value as it is written; quotes are letters unless the separator is a comma."""
    return pd.read_csv(
        io.BytesIO(content),
        sep=sep,
        names=names,
        header="infer" if names is None else None,
        encoding=encoding,
        dtype=str,
        keep_default_na=False,
        quoting=0 if sep == "," else 3,
    )


def read_100k(files: Files) -> Tables:
    """Reads the official MovieLens-100K: `u.data`, `u.item`, `u.user`; there is no graph.

    Args:
        files: Contents by name; the files are Latin-1, without a line of column names.
    """
    columns = ["item_id", "title", "date", "video_date", "url", *GENRES_100K]
    raw = _table(files["u.item"], "|", columns, "latin-1")
    title, year = split_year(raw["title"])
    flags = raw[list(GENRES_100K)].to_numpy() == "1"  # (num_items, 19)
    genres = ["|".join(g for g, on in zip(GENRES_100K, row, strict=True) if on) for row in flags]
    items = _items_100k(raw["item_id"], title, year, pd.Series(genres, dtype=str))
    users = _table(files["u.user"], "|", USER_COLUMNS, "latin-1")
    return Tables(_table(files["u.data"], "\t", EVENT_COLUMNS, "latin-1"), items, users)


def read_100k_atomic(files: Files) -> Tables:
    """Reads MovieLens-100K as RecBole packs it, with the Freebase graph where it is there.

    Args:
        files: Contents of `ml-100k.inter`, `.item`, `.user`, and optionally `.kg` and `.link`.
    """
    raw = _atomic(files["ml-100k.item"])
    title, found = split_year(raw["movie_title"].replace("unkonwn", "unknown"))
    year = raw["release_year"].where(raw["release_year"].str.fullmatch(r"\d{4}"), found)
    genres = raw["class"].str.split().str.join("|")
    items = _items_100k(raw["item_id"], title, year, genres)
    users = _atomic(files["ml-100k.user"])
    return with_graph(Tables(_atomic(files["ml-100k.inter"]), items, users), files)


def with_graph(tables: Tables, files: Files) -> Tables:
    """Adds the graph and the items' `entity_id` from RecBole's `.kg` and `.link`, if there."""
    if not all(name in files for name in GRAPH_FILES):
        return tables
    graph, link = (_atomic(files[name]) for name in GRAPH_FILES)
    entity = tables.items["item_id"].map(link.set_index("item_id")["entity_id"]).fillna("")
    items = tables.items.assign(entity_id=entity.astype(str))
    return Tables(tables.interactions, items, tables.users, graph)


def _atomic(content: bytes) -> pd.DataFrame:
    """RecBole's atomic file: tabs, and a type after each column's name."""
    frame = _table(content, "\t", None, "utf-8")
    return frame.rename(columns=lambda column: column.split(":")[0])


def _items_100k(
    item_id: pd.Series, title: pd.Series, year: pd.Series, genres: pd.Series
) -> pd.DataFrame:
    items = pd.DataFrame({"item_id": item_id, "title": title, "year": year, "genres": genres})
    return items.assign(entity_id="", text=_described(items, ("genres",)))


def read_latest_small(files: Files) -> Tables:
    """Reads `ratings.csv`, `movies.csv`, `tags.csv`, `links.csv`; all listed movies are items.

    Tags are joined over users and time, each once a movie: they say what a movie is about, and
    some were given later than the ratings one may hold out.

    Args:
        files: Contents by name.
    """
    ratings, movies, tags, links = (
        _table(files[name], ",", None, "utf-8")
        for name in ("ratings.csv", "movies.csv", "tags.csv", "links.csv")
    )
    title, year = split_year(movies["title"])
    genres = movies["genres"].replace("(no genres listed)", "")
    items = pd.DataFrame({"item_id": movies["movieId"], "title": title, "year": year})
    words = tags["tag"].str.replace("|", " ", regex=False).str.strip()
    joined = words.groupby(tags["movieId"]).agg(lambda tag: "|".join(dict.fromkeys(tag)))
    ids = links.set_index("movieId")
    items = items.assign(
        genres=genres,
        tags=items["item_id"].map(joined).fillna("").astype(str),
        imdb_id=items["item_id"].map(ids["imdbId"]).fillna("").astype(str),
        tmdb_id=items["item_id"].map(ids["tmdbId"]).fillna("").astype(str),
    )
    events = ratings.rename(columns={"userId": "user_id", "movieId": "item_id"})
    return Tables(events, items.assign(text=_described(items, ("genres", "tags"))))


LAYOUTS_100K = (
    Layout(("ml-100k.inter", "ml-100k.item", "ml-100k.user"), read_100k_atomic, GRAPH_FILES),
    Layout(("u.data", "u.item", "u.user"), read_100k),
)
LAYOUTS_LATEST_SMALL = (
    Layout(("ratings.csv", "movies.csv", "tags.csv", "links.csv"), read_latest_small),
)
