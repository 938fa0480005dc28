"""What a step of training costs with many tasks, beside the recommender alone, in turns.

    taskset -c 1 python benchmarks/multi_task_steps.py --data-dir FOLDER

A turn is one `model.fit` over a few batches of the recipe, compiled as the zoo does, on the train
part of the temporal split. The batches are made beforehand and kept in memory, the same windows for
every way. All ways stand in one process and take turns, in another order each time; the first turn,
which compiles, is not counted. Ratios are those of one turn's ways, and the table gives their
median over turns with its 95% bootstrap interval. On a busy machine `--clock cpu` counts the
processor's time of this process instead of the wall's. Writes
`benchmarks/results/multi_task_steps.csv`.
"""

from __future__ import annotations

import os
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import click
import keras
import numpy as np
import options
import scipy.stats
import tensorflow as tf
from quality import RESULTS

from tfrec_fusion import zoo
from tfrec_fusion.data.batches.pairs import prefetched
from tfrec_fusion.data.indexed import IndexedData, index_data
from tfrec_fusion.data.sources.reading import read_tables
from tfrec_fusion.evaluation.report import ReportRow, print_table, write_csv
from tfrec_fusion.layers.multitask import BALANCES
from tfrec_fusion.training.balancing import BalancedModel
from tfrec_fusion.training.compilation import compile_model
from tfrec_fusion.zoo.runs.settings import Settings
from tfrec_fusion.zoo.runs.task_losses import losses_of

ALONE, FROZEN, FIXED = "recommender alone", "frozen text branch", "GPT-2, fixed"
WAYS: dict[str, tuple[str, dict[str, Any], str]] = {  # model, hyperparameters, balance
    ALONE: ("text_hybrid", {}, "fixed"),
    FROZEN: (
        "multi_task",
        {"review_reader": "frozen", "tasks": ("rating", "sentiment")},
        "fixed",
    ),
    **{f"GPT-2, {balance}": ("multi_task", {}, balance) for balance in BALANCES},
}
WARM_UP = 1
CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}


def turn_of(
    data: IndexedData,
    name: str,
    choices: dict[str, Any],
    balance: str,
    steps: int,
    clock: Callable[[], float],
) -> Callable[[], float]:
    """A function that trains for `steps` batches and returns the milliseconds a step."""
    keras.utils.set_random_seed(0)
    sizes = {"num_users": len(data.users), "num_items": len(data.items)}
    spec = zoo.get_spec(name)
    context = SimpleNamespace(
        data=data,
        events=data.train,
        texts=data.item_texts(),
        choices=spec.choices_of(choices),
        options=Settings.from_keywords(spec, {}).further,
        features=None,
        knowledge=None,
        say=click.echo,
    )
    arrays = spec.prepare(context) if spec.prepare else {}
    model: Any = zoo.build(name, **sizes, **choices, **arrays)
    model.set_known(data.train)
    recipe = spec.recipe_of(model.config)
    made: Any = spec.batches  # of a model that is trained by gradients
    batches = made(model, data.train, recipe.batch_size, 0).take(steps).cache()
    if (found := sum(1 for _ in batches)) < steps:
        raise ValueError(f"`--steps` must be at most an epoch's. Received: {steps} of {found}.")
    trained = model if balance == "fixed" else BalancedModel(model, balance)
    compile_model(
        trained,
        optimizer=recipe.optimizer(steps),
        loss=losses_of(spec, model),
        jit_compile=recipe.jit_compile,
        num_steps=steps,
    )
    in_memory = prefetched(batches)

    def turn() -> float:
        start = clock()
        trained.fit(in_memory, epochs=1, verbose=0, shuffle=False)
        return 1000 * (clock() - start) / steps

    return turn


def median_row(name: str, values: dict[str, np.ndarray]) -> ReportRow:
    """Medians over turns; those of ratios with their bootstrap intervals."""
    intervals = {}
    for metric, ratios in values.items():
        if metric.startswith("ratio") and np.ptp(ratios):
            found = scipy.stats.bootstrap((ratios,), np.median, rng=0, method="percentile")
            intervals[metric] = (
                float(found.confidence_interval.low),
                float(found.confidence_interval.high),
            )
    return ReportRow(name, {key: float(np.median(one)) for key, one in values.items()}, intervals)


@click.command()
@options.data("musical-instruments")
@options.DATA_DIR
@click.option("--turns", default=30, show_default=True)
@click.option("--steps", default=40, show_default=True, help="Batches a turn.")
@options.threads(1)
@click.option("--clock", type=click.Choice(list(CLOCKS)), default="wall", show_default=True)
@click.option("--way", "ways", multiple=True, type=click.Choice(list(WAYS)), default=WAYS)
def main(
    data: str,
    data_dir: Path | None,
    turns: int,
    steps: int,
    threads: int,
    clock: str,
    ways: tuple[str, ...],
) -> None:
    """Measures, prints the table and writes the CSV."""
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    tables = read_tables(data, data_dir)
    indexed = index_data(tables)
    made = [turn_of(indexed, *WAYS[name], steps, CLOCKS[clock]) for name in ways]
    timed = np.empty((turns, len(ways)))
    rng = np.random.default_rng(0)
    for turn in range(-WARM_UP, turns):
        for number in rng.permutation(len(ways)):
            milliseconds = made[number]()
            if turn >= 0:
                timed[turn, number] = milliseconds
    by_name = dict(zip(ways, timed.T, strict=True))
    rows = []
    for name, own in by_name.items():
        values = {f"ms a step ({clock})": own}
        if ALONE in by_name:
            values["ratio to alone"] = own / by_name[ALONE]
        if name.startswith("GPT-2") and FIXED in by_name:
            values["ratio to fixed"] = own / by_name[FIXED]
        rows.append(median_row(name, values))
    RESULTS.mkdir(exist_ok=True)
    write_csv(RESULTS / "multi_task_steps.csv", rows)
    print_table(rows, title=f"{tables.name}, {turns} turns of {steps} steps, threads: {threads}")


if __name__ == "__main__":
    main()
