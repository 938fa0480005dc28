"""What an answer costs: exact search, inverted file and ScaNN, beside a bare product.

    python benchmarks/serving.py

makes two-towers of 1,000, 100,000 and 1,000,000 items with vectors of 64 numbers, exports each
three ways, each in a process of its own, loads the SavedModels into one more and asks
`recommend_10` of one user in turns. Beside them stands the least that an exact answer takes,
`matmul` and `top_k` of the same vectors as a SavedModel. Indices look as far as recall@10 of 0.95
asks for (`zoo.exports.item_index`); recall is then counted over 200 users' served answers. Ratios
are those of the medians of one turn, and the table gives their median over turns; requests a
second are those of one client that asks again when it is answered; memory is what the process grew
by, from before loading to after answering. Writes `benchmarks/results/serving.csv`.

The vectors are drawn around 2,000 centers, as items around tastes, and a query is an item with
noise. Without such groups no index finds near items faster.
"""

from __future__ import annotations

import gc
import multiprocessing
import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import click
import numpy as np
import options
import pandas as pd
import tensorflow as tf
from quality import RESULTS
from serving_load import resident_mib

from tfrec_fusion import zoo
from tfrec_fusion.data.events import Events
from tfrec_fusion.data.vocabulary import Vocabulary
from tfrec_fusion.evaluation.report import ReportRow, print_table, write_csv
from tfrec_fusion.files.whole import whole_folder
from tfrec_fusion.serving.export.reload import load_server_ops
from tfrec_fusion.serving.index.kinds import PROCESS
from tfrec_fusion.zoo.answers.catalog_answers import CatalogAnswers
from tfrec_fusion.zoo.exports.export_run import export_recommender
from tfrec_fusion.zoo.exports.item_index import item_index

USERS, DIM, CENTERS, K = 1000, 64, 2000, 10
KNOWN_ITEMS = 50
ASKED = 200  # users whose answers are compared
BARE, EXACT, INVERTED, SCANN = "matmul and top_k", "exact", "inverted file", "ScaNN"
HOW = {EXACT: None, INVERTED: "float32", SCANN: "scann"}
Ask = Callable[[int], Any]


def vectors_of(num_items: int) -> tuple[np.ndarray, np.ndarray]:
    """Items `(num_items + 1, DIM)` and queries `(USERS + 1, DIM)`, the unseen ones first."""
    rng = np.random.default_rng(0)
    centers = rng.normal(size=(CENTERS, DIM))
    items = centers[rng.integers(0, CENTERS, num_items + 1)]
    items = (items + 0.6 * rng.normal(size=items.shape)).astype(np.float32)
    queries = items[rng.integers(1, num_items + 1, USERS + 1)]
    return items, (queries + 0.4 * rng.normal(size=queries.shape)).astype(np.float32)


def recommender_of(num_items: int) -> CatalogAnswers:
    """A two-tower with those vectors, and users who know some items."""
    items, queries = vectors_of(num_items)
    model: Any = zoo.build(
        "two_tower",
        num_users=USERS + 1,
        num_items=num_items + 1,
        query="user_id",
        dim=DIM,
        negatives="in_batch",
    )
    model.get_layer("items").embeddings.assign(items)
    model.get_layer("user").embeddings.assign(queries)
    users = Vocabulary.from_ids(f"user-{number}" for number in range(USERS))
    catalog = Vocabulary.from_ids(f"item-{number}" for number in range(num_items))
    known = pd.DataFrame({"user_id": np.repeat(users.ids[1:], KNOWN_ITEMS)})
    drawn = np.random.default_rng(1).integers(1, num_items + 1, len(known))
    events = Events.from_frame(known.assign(item_id=catalog.ids[drawn]), users, catalog)
    titles = np.array(["", *(f"Title {number}" for number in range(num_items))], object)
    return CatalogAnswers(model, users, catalog, titles, events)


def export_one(num_items: int, way: str, folder: Path) -> str:
    """Writes a SavedModel; for a process of its own."""
    if way == BARE:
        items, queries = vectors_of(num_items)
        module = tf.Module()
        module.items, module.queries = tf.Variable(items), tf.Variable(queries)

        @tf.function(input_signature=[tf.TensorSpec((None,), tf.int32)])
        def best(user: tf.Tensor) -> dict[str, tf.Tensor]:
            query = tf.gather(module.queries, user)
            score, item = tf.math.top_k(tf.matmul(query, module.items, transpose_b=True), K)
            return {"score": score, "item": item}

        with whole_folder(folder / "1") as whole:
            tf.saved_model.save(module, str(whole), signatures={"best": best})
        return str(folder / "1")
    recommender = recommender_of(num_items)
    index = None
    if HOW[way] is not None:
        index = item_index(recommender.model, recommender.known, HOW[way])  # type: ignore[arg-type]
    return str(export_recommender(recommender, folder, page_sizes=(K,), index=index).path)


def in_its_own_process(num_items: int, way: str, folder: Path) -> str:
    """`export_one`, where TensorFlow Recommenders finds its Keras."""
    os.environ.update(PROCESS)
    context = multiprocessing.get_context("spawn")
    try:
        with ProcessPoolExecutor(1, mp_context=context) as pool:
            return pool.submit(export_one, num_items, way, folder).result()
    finally:
        for name in PROCESS:
            del os.environ[name]


def loaded(path: str, way: str) -> Ask:
    """A function from a user's number to the answer."""
    model = tf.saved_model.load(path)
    if way == BARE:
        best = model.signatures["best"]
        return lambda user, model=model: best(user=tf.constant([user + 1]))  # type: ignore[misc]
    recommend = model.signatures["recommend_10"]

    def ask(user: int, model: Any = model) -> Any:  # the model must outlive the function
        return recommend(user_id=tf.constant([f"user-{user}"]))

    return ask


def seconds(ask: Ask, calls: int, turn: int) -> np.ndarray:
    """Times of single requests."""
    taken = np.empty(calls)
    for call in range(calls):
        start = time.perf_counter()
        ask((turn * calls + call) % USERS)
        taken[call] = time.perf_counter() - start
    return taken


def answers(ask: Ask) -> list[set[bytes]]:
    """The items that users get."""
    return [set(ask(user)["item_id"].numpy()[0]) for user in range(ASKED)]


def measured(num_items: int, ways: Sequence[str], folder: Path, turns: int) -> list[ReportRow]:
    """A row a way."""
    paths = {}
    for way in ways:
        click.echo(f"{num_items:,} items, {way}: exporting", err=True)
        paths[way] = in_its_own_process(num_items, way, folder / way.replace(" ", "_"))
    asks, grown = {}, {}
    for way, path in paths.items():
        gc.collect()
        before = resident_mib(os.getpid())
        asks[way] = loaded(path, way)
        seconds(asks[way], 20, 0)  # traced and warm
        grown[way] = resident_mib(os.getpid()) - before
    click.echo(f"{num_items:,} items: measuring", err=True)
    calls = max(20, min(200, 20_000_000 // num_items))
    times: dict[str, list[np.ndarray]] = {way: [] for way in ways}
    for turn in range(turns):
        for way in ways:
            times[way].append(seconds(asks[way], calls, turn))
    medians = {way: np.array([np.median(one) for one in times[way]]) for way in ways}
    right = answers(asks[EXACT])
    rows = []
    for way in ways:
        every = np.concatenate(times[way])
        hits = None
        if way != BARE:
            pairs = zip(answers(asks[way]), right, strict=True)
            hits = np.mean([len(found & best) / K for found, best in pairs])
        metrics = {
            "items": float(num_items),
            "p50 ms": 1000 * float(np.median(every)),
            "p99 ms": 1000 * float(np.percentile(every, 99)),
            "requests/s": 1 / float(every.mean()),
            "time to bare": float(np.median(medians[way] / medians[BARE])),
            "exact to this": float(np.median(medians[EXACT] / medians[way])),
            "recall@10": float("nan") if hits is None else float(hits),
            "MiB": grown[way],
        }
        rows.append(ReportRow(way, metrics, {}))
    return rows


@click.command()
@click.option("--items", "sizes", multiple=True, type=int, default=(1_000, 100_000, 1_000_000))
@click.option("--turns", default=15, show_default=True)
@options.threads()
@click.option("--csv/--no-csv", default=True, help="Write the results; not of a shortened run.")
def main(sizes: tuple[int, ...], turns: int, threads: int, csv: bool) -> None:
    """Measures, prints the table and writes the CSV."""
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    load_server_ops(tf)
    ways = (BARE, EXACT, INVERTED, *((SCANN,) if sys.platform == "linux" else ()))
    rows: list[ReportRow] = []
    for num_items in sizes:
        with tempfile.TemporaryDirectory() as name:
            rows += measured(num_items, ways, Path(name), turns)
    print_table(rows, tuple(rows[0].metrics), title=f"One user a request, {threads} threads")
    if csv:
        RESULTS.mkdir(exist_ok=True)
        write_csv(RESULTS / "serving.csv", rows)


if __name__ == "__main__":
    main()
