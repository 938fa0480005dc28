"""Tiny data sets in the layouts that the known ones come in, and stand-ins for their downloads."""

import dataclasses
import gzip
import io
import zipfile

import pandas as pd

from tfrec_fusion.data.sources import clothing, registry
from tfrec_fusion.data.sources.movielens.files import GENRES_100K

EVENTS = [
    ("196", "1", "3", "881250949"),
    ("196", "267", "2", "881250950"),
    ("22", "1412", "1", "878887116"),
    ("22", "543", "5", "878887116"),
]
FILMS = [  # id, title as the official file has it, RecBole's title and year, genres
    ("1", "Toy Story (1995)", "Toy Story", "1995", ("Animation", "Children's", "Comedy")),
    ("267", "unknown", "unkonwn", "unkonwn", ("unknown",)),
    ("543", "Misérables, Les (1995)", "Misérables, Les", "1995", ("Drama", "Musical")),
    (
        "1412",
        "Land Before Time III: The Time of the Great Giving (1995) (V)",
        "Land Before Time III: The Time of the Great Giving (1995)",
        "V",
        ("Animation", "Film-Noir"),
    ),
]
USERS = [("22", "25", "M", "writer", "40206"), ("196", "49", "M", "writer", "05510")]


def official():
    """The files of ml-100k.zip, with four films."""
    films = []
    for one, title, _, _, genres in FILMS:
        flags = ["1" if genre in genres else "0" for genre in GENRES_100K]
        films.append("|".join([one, title, "01-Jan-1995", "", "http://us.imdb.com/", *flags]))
    return {
        "u.data": "".join("\t".join(event) + "\n" for event in EVENTS).encode(),
        "u.item": "".join(film + "\n" for film in films).encode("latin-1"),
        "u.user": "".join("|".join(user) + "\n" for user in USERS).encode(),
    }


def atomic():
    """The same as RecBole's wheel has it, with a graph."""

    def rows(head, lines):
        return "".join("\t".join(line) + "\n" for line in [head, *lines]).encode()

    films = [(one, title, year, " ".join(genres)) for one, _, title, year, genres in FILMS]
    return {
        "ml-100k.inter": rows(
            ("user_id:token", "item_id:token", "rating:float", "timestamp:float"), EVENTS
        ),
        "ml-100k.item": rows(
            ("item_id:token", "movie_title:token_seq", "release_year:token", "class:token_seq"),
            films,
        ),
        "ml-100k.user": rows(
            ("user_id:token", "age:token", "gender:token", "occupation:token", "zip_code:token"),
            USERS,
        ),
        "ml-100k.kg": rows(
            ("head_id:token", "relation_id:token", "tail_id:token"),
            [("m.0dyb1", "film.film.genre", "m.01z4y"), ("m.0dyb1", "film.film.actor", "m.0bxtg")],
        ),
        "ml-100k.link": rows(("item_id:token", "entity_id:token"), [("1", "m.0dyb1")]),
    }


LATEST_SMALL = {
    "ratings.csv": b"userId,movieId,rating,timestamp\r\n1,1,4.0,964982703\r\n2,7,0.5,964982704\r\n",
    "movies.csv": (
        "movieId,title,genres\r\n1,Toy Story (1995),Adventure|Animation\r\n"
        '7,"Rouge, Le (1994) ",(no genres listed)\r\n8,Babylon 5,Sci-Fi\r\n'
        "9,Death Note: Desu nôto (2006\u20132007),\r\n"
    ).encode(),
    "tags.csv": (
        b"userId,movieId,tag,timestamp\r\n2,1,pixar,1445714994\r\n3,1,fun,1445714995\r\n"
        b"4,1,pixar,1445714996\r\n2,8,NA,1445714997\r\n"
    ),
    "links.csv": b"movieId,imdbId,tmdbId\r\n1,0114709,862\r\n7,0108394,\r\n8,1,2\r\n9,3,4\r\n",
}


REVIEWS = pd.DataFrame(
    {
        "Clothing ID": [767, 1080, 1080, 1080, 5],
        "Age": [33, 34, 60, 47, 28],
        "Title": [None, "None", "Some major design flaws", "My favorite buy!", None],
        "Review Text": ["Silky and sexy", "Love it!", " I had high hopes. ", "", None],
        "Rating": [4, 5, 3, 5, 2],
        "Recommended IND": [1, 1, 0, 1, 0],
        "Positive Feedback Count": [0, 4, 0, 0, 1],
        "Division Name": ["Initmates", "General", "General Petite", "General", None],
        "Department Name": ["Intimate", "Dresses", "Dresses", "Dresses", None],
        "Class Name": ["Intimates", "Dresses", "Dresses", "Dresses", None],
    }
)

INSTRUMENTS = {
    "reviews.csv.gz": gzip.compress(
        b"user_id,item_id,rating,timestamp,summary,review_text\n"
        b'A2,0007,5.0,1393545600,Good,It does "just" that.\nA7,B002,1.0,1363392000,NA,\n'
    ),
    "items.csv": (
        b'item_id,title,category,price\n0007,Cable,"Cables, Guitar",6.99\nB002,NA,Picks,\n'
    ),
}


def parquet(frame):
    stream = io.BytesIO()
    frame.to_parquet(stream, compression="brotli")
    return stream.getvalue()


# The files of each data set that has a name, in each layout, the richest first.
FILES = {
    "movielens-100k": [
        atomic(),
        {**official(), **{name: atomic()[name] for name in ("ml-100k.kg", "ml-100k.link")}},
    ],
    "movielens-latest-small": [LATEST_SMALL],
    "musical-instruments": [INSTRUMENTS],
    "womens-clothing": [
        {clothing.PARQUET: parquet(REVIEWS)},
        {clothing.KAGGLE_CSV: REVIEWS.to_csv().encode()},  # with a column of row numbers
    ],
}


def write_zip(path, prefix, files):
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(prefix + name, content)
    return path


def put(folder, files):
    folder.mkdir(parents=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder


def change_source(monkeypatch, name, **changes):
    """Describes a known data set otherwise, for one test."""
    changed = dataclasses.replace(registry.get_source(name), **changes)
    monkeypatch.setitem(registry._registry.installed(), name, changed)
    return changed
