"""How fast NeuMF trains: the zoo's way beside plain `model.fit`, in turns, in one process.

    python benchmarks/training_throughput.py

`plain` is `model.fit` of the same model with Keras's defaults at batch 1024, on arrays whose
negatives NumPy draws anew each epoch (the sampling is part of the time). `zoo` are batches drawn
in the graph and the compilation of `training.fit`: XLA, several steps a call. An epoch is one pass
over the positives with the recipe's number of negatives each. The ways take turns; the first
epoch of each (compilation) is not counted.
Writes `benchmarks/results/training_throughput.csv`.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import click
import keras
import numpy as np
import options
import pandas as pd
import tensorflow as tf

from tfrec_fusion import zoo
from tfrec_fusion.data.batches.makers import CLICK_NEGATIVES, clicks
from tfrec_fusion.data.events import Events
from tfrec_fusion.data.indexed import index_data
from tfrec_fusion.data.sources.reading import read_tables
from tfrec_fusion.files.whole import write_text
from tfrec_fusion.training.compilation import compile_model
from tfrec_fusion.zoo.runs.task_losses import losses_of

RESULTS = Path(__file__).parent / "results"


def plain(model: keras.Model, events: Events) -> Callable[[], int]:
    """An epoch of plain Keras; returns how many samples it trained on."""
    model.compile("adam", keras.losses.BinaryCrossentropy(from_logits=True))
    known = events.matrix().toarray() > 0
    rng = np.random.default_rng(0)

    def epoch() -> int:
        user = np.repeat(events.user, CLICK_NEGATIVES)
        item = rng.integers(1, events.num_items, len(user), dtype=np.int32)
        while (bad := np.flatnonzero(known[user, item])).size:
            item[bad] = rng.integers(1, events.num_items, bad.size, dtype=np.int32)
        x = {
            "user_id": np.concatenate([events.user, user]),
            "item_id": np.concatenate([events.item, item]),
        }
        y = {"logits": np.repeat([1.0, 0.0], [len(events), len(item)])}
        model.fit(x, y["logits"], batch_size=1024, epochs=1, verbose=0)
        return len(y["logits"])

    return epoch


def ours(model: Any, events: Events, batch_size: int | None = None) -> Callable[[], int]:
    """An epoch as the zoo trains; returns how many samples it trained on."""
    spec = zoo.get_spec("neumf")
    recipe = spec.recipe_of(model.config)
    batches = clicks(model, events, batch_size or recipe.batch_size, 0)
    num_steps = int(batches.cardinality())
    compile_model(
        model,
        optimizer=recipe.optimizer(num_steps),
        loss=losses_of(spec, model),
        jit_compile=recipe.jit_compile,
        num_steps=num_steps,
    )

    def epoch() -> int:
        model.fit(batches, epochs=1, verbose=0, shuffle=False)
        return len(events) * (1 + CLICK_NEGATIVES)

    return epoch


@click.command()
@options.data()
@options.DATA_DIR
@click.option("--turns", default=7, show_default=True)
@options.threads()
def main(data: str, data_dir: Path | None, turns: int, threads: int) -> None:
    """Measures, prints the table and writes the CSV."""
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    indexed = index_data(read_tables(data, data_dir))
    sizes = {"num_users": len(indexed.users), "num_items": len(indexed.items)}
    model = partial(zoo.build, "neumf", **sizes)
    ways = {
        "plain model.fit, batch 1024, NumPy negatives": plain(model(), indexed.train),
        "zoo, batch 1024, negatives in the graph": ours(model(), indexed.train, 1024),
        "zoo, recipe's batch 8192": ours(model(), indexed.train),
    }
    speeds: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(turns + 1):
        for name, epoch in ways.items():
            started = time.perf_counter()
            samples = epoch()
            if turn:
                speeds[name].append(samples / (time.perf_counter() - started))
    rates = pd.DataFrame(speeds)
    table = pd.DataFrame(
        {
            "way": rates.columns,
            "samples_per_second": rates.median().round(-3).to_numpy(),
            "ratio_to_plain": rates.div(rates.iloc[:, 0], axis=0).median().round(2).to_numpy(),
        }
    )
    click.echo(table.to_string(index=False))
    write_text(RESULTS / "training_throughput.csv", table.to_csv(index=False))


if __name__ == "__main__":
    main()
