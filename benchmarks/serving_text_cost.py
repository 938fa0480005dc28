"""What text costs when a recommender answers: the exported hybrid beside an id-only two-tower.

    python benchmarks/serving_text_cost.py --data movielens-100k

exports both, untrained (an answer costs the same), loads both SavedModels into one process and asks
`recommend` in turns. Ratios are those of the medians of one turn each, and the table gives their
median over turns. Writes `benchmarks/results/serving_text_cost.csv`.
"""

from __future__ import annotations

import os
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import statistics
import tempfile
import time
from collections.abc import Callable

import click
import numpy as np
import options
import tensorflow as tf
from quality import RESULTS

from tfrec_fusion import zoo
from tfrec_fusion.data.indexed import IndexedData, index_data
from tfrec_fusion.data.sources.reading import read_tables
from tfrec_fusion.evaluation.report import ReportRow, print_table, write_csv
from tfrec_fusion.text.encoding.item_vectors import text_vectors
from tfrec_fusion.zoo.answers.catalog_answers import CatalogAnswers
from tfrec_fusion.zoo.exports.export_run import export_recommender

MODELS = ("two_tower, ids only", "text_hybrid")
BATCHES = (1, 64)
CALLS = 40


def served(data: IndexedData, name: str, folder: Path) -> Callable[[np.ndarray], object]:
    """Exports a model and loads what was written: `recommend` of user ids."""
    sizes = {"num_users": len(data.users), "num_items": len(data.items)}
    if name == "text_hybrid":
        vectors = text_vectors(data.item_texts())
        model = zoo.build(name, **sizes, item_text=vectors)
        model.set_known(data.everything)
    else:
        model = zoo.build("two_tower", **sizes)
    titles = data.titles
    recommender = CatalogAnswers(model, data.users, data.items, titles, data.everything)
    report = export_recommender(recommender, folder)
    loaded = tf.saved_model.load(str(report.path))
    signature = loaded.signatures["recommend"]

    def ask(user_ids: np.ndarray, model: object = loaded) -> object:  # the model must outlive us
        return signature(user_id=tf.constant(user_ids))

    return ask


def seconds(ask: Callable[[np.ndarray], object], ids: np.ndarray, batch: int) -> float:
    """Median time of one call."""
    times = []
    for call in range(CALLS):
        users = np.roll(ids, call * batch)[:batch]
        start = time.perf_counter()
        ask(users)
        times.append(time.perf_counter() - start)
    return statistics.median(times)


@click.command()
@options.data()
@options.DATA_DIR
@click.option("--turns", default=9, show_default=True)
@options.threads()
def main(data: str, data_dir: Path | None, turns: int, threads: int) -> None:
    """Measures, prints the table and writes the CSV."""
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    tables = read_tables(data, data_dir)
    indexed = index_data(tables)
    ids = indexed.users.ids[1:].astype(str)
    with tempfile.TemporaryDirectory() as folder:
        asks = [served(indexed, name, Path(folder, name.split(",")[0])) for name in MODELS]
        found: dict[str, dict[str, float]] = {name: {} for name in MODELS}
        for batch in BATCHES:
            for ask in asks:
                seconds(ask, ids, batch)  # traced and warm
            timed = [[seconds(ask, ids, batch) for ask in asks] for _ in range(turns)]
            for number, name in enumerate(MODELS):
                own = [turn[number] for turn in timed]
                ratios = [turn[number] / turn[0] for turn in timed]
                found[name][f"ms, batch {batch}"] = 1000 * statistics.median(own)
                found[name][f"ratio, batch {batch}"] = statistics.median(ratios)
    rows = [ReportRow(name, metrics, {}) for name, metrics in found.items()]
    RESULTS.mkdir(exist_ok=True)
    write_csv(RESULTS / "serving_text_cost.csv", rows)
    print_table(rows, tuple(rows[0].metrics), title=f"{tables.name}, `recommend`")


if __name__ == "__main__":
    main()
