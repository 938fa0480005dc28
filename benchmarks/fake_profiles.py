"""Made-up profiles that push a rare item: how far it moves, whether the data audit reports it.

    python benchmarks/fake_profiles.py \
        --table movielens-latest-small ml-latest-small/ratings.csv userId movieId timestamp \
        --table ifdb ifdb/interactions.parquet user_id item_id timestamp \
        --table musical-instruments reviews.csv.gz user_id item_id timestamp \
        --table online-retail online-retail/orders.parquet customer_id stock_code invoice_date

Each attack adds a share of the users as profiles that start within a week, half of the time in the
middle of the data and half at their end. A profile holds the target, which has one to five users,
and as many fillers as half of the users have items, 5 to 40 (Lam and Riedl 2004; Burke et al.
2006): `bandwagon` draws them from twice as many most popular items, `segment` takes the same ones
of the popular items for all profiles, `popularity` draws by popularity, `random` evenly. An alarm
is false when most of an item's users are no made-up profiles. The rank is the target's mean rank by
item-kNN among the items that users do not have yet, users who were there before, at a share of 1%.

Writes `benchmarks/results/fake_profiles.csv`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import click
import numpy as np
import pandas as pd
from quality import RESULTS

from tfrec_fusion import zoo
from tfrec_fusion.data.events import Events
from tfrec_fusion.data.suspicious import WEEK, suspicious_items
from tfrec_fusion.files.whole import write_text

ATTACKS = ("bandwagon", "segment", "popularity", "random")
SHARES = (0.002, 0.005, 0.01, 0.05)
RANKED = 0.01  # the share of which the rank is measured
COLUMNS = ["user", "item", "timestamp"]


@click.command()
@click.option("--table", "given", nargs=5, multiple=True, required=True, type=str)
@click.option("--repeats", default=6, show_default=True, help="Attacks of each kind and share.")
@click.option("--ranks", default=2, show_default=True, help="Attacks whose ranks are measured.")
def main(given: tuple[tuple[str, ...], ...], repeats: int, ranks: int) -> None:
    """Attacks each table and writes the CSV."""
    rows = [row for one in given for row in rows_of(one[0], read(*one[1:]), repeats, ranks)]
    RESULTS.mkdir(exist_ok=True)
    table = pd.DataFrame(rows)
    write_text(RESULTS / "fake_profiles.csv", table.to_csv(index=False))
    click.echo(table.to_string(index=False))


def read(path: str, user: str, item: str, time: str) -> pd.DataFrame:
    """`user`, `item` (indices from 1) and `timestamp` (seconds) of a CSV or Parquet table."""
    table = pd.read_parquet(path) if path.endswith(".parquet") else pd.read_csv(path)
    table = table[[user, item, time]].dropna().set_axis(COLUMNS, axis=1)
    if not pd.api.types.is_numeric_dtype(table["timestamp"]):
        table["timestamp"] = pd.to_datetime(table["timestamp"]).astype("datetime64[s]")
    for name in ("user", "item"):
        table[name] = pd.factorize(table[name].astype(str))[0] + 1
    return table.astype(np.int64)


def rows_of(name: str, table: pd.DataFrame, repeats: int, ranks: int) -> Iterator[dict[str, Any]]:
    """A row for the clean table and one for each attack."""
    yield {"data": name, "attack": "none", "false alarms": len(suspicious_items(events_of(table)))}
    for attack in ATTACKS:
        row: dict[str, Any] = {"data": name, "attack": attack, "false alarms": 0}
        ranked: dict[str, float] = {}
        for share in SHARES:
            found, wrong, moved = tried(table, attack, share, repeats, ranks)
            row[f"found, {share:.1%}"] = f"{found} of {repeats}"
            row["false alarms"] += wrong
            if moved:
                before, after = np.mean(moved, axis=0).round()
                ranked = {"rank before": before, "rank after": after}
        click.echo(row | ranked, err=True)
        yield row | ranked


def tried(
    table: pd.DataFrame, attack: str, share: float, repeats: int, ranks: int
) -> tuple[int, int, list[list[float]]]:
    """How often the target was reported, how often others were, and the target's ranks."""
    rng = np.random.default_rng(0)
    users = int(table["user"].max())
    number, found, wrong, moved = max(1, round(share * users)), 0, 0, []
    for repeat in range(repeats):
        target, attacked = with_profiles(table, attack, number, rng, late=repeat % 2 == 1)
        events = events_of(attacked)
        for one in suspicious_items(events):
            found += int(one.item == target)
            wrong += int(np.mean(of_item(attacked, one.item) > users) <= 0.5)
        if share == RANKED and repeat < ranks:
            moved.append([mean_rank(each, target, users) for each in (events_of(table), events)])
    return found, wrong, moved


def with_profiles(
    table: pd.DataFrame, attack: str, number: int, rng: np.random.Generator, *, late: bool
) -> tuple[int, pd.DataFrame]:
    """The target, and the table with made-up profiles behind the users."""
    pairs = table[["user", "item"]].drop_duplicates()
    counts = pairs["item"].value_counts()
    target = int(rng.choice(counts.index[counts <= 5]))
    size = int(np.clip(pairs["user"].value_counts().median(), 5, 40))
    popular, users = counts.index.to_numpy(), int(table["user"].max())
    segment = rng.choice(popular[: max(60, len(popular) // 20)], size, replace=False)
    times = table["timestamp"]
    end = float(times.max() if late else times[times > 0].median())
    rows = []
    for profile in range(users + 1, users + 1 + number):
        fillers = {
            "bandwagon": lambda: rng.choice(popular[: 2 * size], size, replace=False),
            "segment": lambda: segment,
            "popularity": lambda: rng.choice(popular, size, replace=False, p=counts / counts.sum()),
            "random": lambda: rng.choice(popular, size, replace=False),
        }[attack]()
        start = int(end - rng.uniform(0, WEEK))
        rows += [(profile, one, start + 20 * step) for step, one in enumerate([*fillers, target])]
    return target, pd.concat([table, pd.DataFrame(rows, columns=COLUMNS)], ignore_index=True)


def of_item(table: pd.DataFrame, item: int) -> np.ndarray:
    """The different users of an item."""
    return table.loc[table["item"] == item, "user"].unique()


def events_of(table: pd.DataFrame) -> Events:
    """The events of a table of indices."""
    table = table.sort_values(["user", "timestamp", "item"], kind="stable")
    user, item = (table[name].to_numpy(np.int32) for name in ("user", "item"))
    ones, time = np.ones(len(table), np.float32), table["timestamp"].to_numpy(np.int64)
    return Events(user, item, ones, time, int(user.max()) + 1, int(item.max()) + 1)


def mean_rank(events: Events, target: int, users: int) -> float:
    """The target's mean rank by item-kNN for up to 500 of the first users; ties share a rank."""
    model, known = zoo.build("item_knn").fit(events), events.matrix()
    asking = np.unique(np.linspace(1, users, 500).astype(int))
    asking = asking[known[asking, target].toarray().ravel() == 0]
    ranks = []
    for some in np.array_split(asking, 5):
        scores = model.score(some)
        scores[known[some].toarray() > 0] = -np.inf
        scores[:, 0] = -np.inf
        own = scores[:, [target]]
        ranks += ((scores > own).sum(1) + ((scores == own).sum(1) + 1) / 2).tolist()
    return float(np.mean(ranks))


if __name__ == "__main__":
    main()
