"""What going on from a trained model keeps of the old users, and gives the new ones.

    python benchmarks/fine_tuning.py --data movielens-latest-small --epochs 8

A fifth of the users and a tenth of the items, drawn anew with each seed, are new: the base model
is trained without them, then goes on with everything (`zoo.runs.fine_tuning`). Both split each
user's events by time. Old users are measured before and after on the events that are in both
models' test parts, old items being the candidates, and a seed's value is set beside its base's;
new users on their test part beside popularity, and new items by the recall of their test events
among all items. Writes `benchmarks/results/fine_tuning_<data>.csv`: mean and 95% interval over
seeds.
"""

from __future__ import annotations

import os
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import click
import numpy as np
import options
from cold_items import K, recalls_of
from quality import RESULTS, trained

from tfrec_fusion.data.events import Events
from tfrec_fusion.data.sources.reading import read_tables
from tfrec_fusion.data.tables.rec_data import RecData
from tfrec_fusion.evaluation.ranking import evaluate_ranking
from tfrec_fusion.evaluation.report import ReportRow, print_table, write_csv
from tfrec_fusion.evaluation.top_items import Score
from tfrec_fusion.zoo.answers.compiled_scores import compiled_scores
from tfrec_fusion.zoo.runs.fine_tuning import fine_tune
from tfrec_fusion.zoo.runs.run import Run, load_run
from tfrec_fusion.zoo.runs.seeds import over_seeds

NEW_USERS, NEW_ITEMS = 0.2, 0.1
METRIC = "ndcg@10"
OLD, KEPT = "ndcg@10, old users", "of base's"
NEW, ITEMS = "ndcg@10, new users", f"recall@{K}, new items"


def parted(tables: RecData, seed: int) -> tuple[RecData, RecData]:
    """What the base model learns from, and what comes later."""
    rng = np.random.default_rng(seed)
    events, items = tables.interactions, tables.items
    drawn = {}
    for name, share in (("user_id", NEW_USERS), ("item_id", NEW_ITEMS)):
        ids = np.sort(events[name].unique().astype(str))
        drawn[name] = set(rng.choice(ids, round(share * len(ids)), replace=False))
    late = events["user_id"].isin(drawn["user_id"]) | events["item_id"].isin(drawn["item_id"])
    said = {"license": tables.license, "citation": tables.citation}
    base = RecData(
        events[~late], items[~items["item_id"].isin(drawn["item_id"])], name=tables.name, **said
    )
    return base, RecData(events[late], items, name=f"{tables.name}, later", **said)


def measured(base: Run, grown: Run) -> dict[str, dict[str, float]]:
    """The metrics of the base model, of the one that went on, and of popularity."""
    num_users, num_items = len(base.users), len(base.items)
    known, test = grown.known_at_test, grown.parts["test"]
    score = compiled_scores(grown.model.score_model(known))
    # Users and items of the base come first in the grown vocabularies.
    both = base.parts["test"].matrix().multiply(test.matrix()[:num_users, :num_items]).tocsr()
    before = base.known_at_test
    of_base = compiled_scores(base.model.score_model(before))
    of_popular = _popularity(known)
    found: dict[str, dict[str, float]] = {name: {} for name in ("base", "popularity", "fine-tuned")}
    for name, one, seen in (
        ("base", of_base, before.matrix()),
        ("fine-tuned", lambda users: score(users)[:, :num_items], _old(known, base)),
        ("popularity", lambda users: of_popular(users)[:, :num_items], _old(known, base)),
    ):
        result = evaluate_ranking(one, seen, both, ks=[10], num_bootstrap=0)
        found[name][OLD] = result.metrics[METRIC]
        found[name][KEPT] = found[name][OLD] / found["base"][OLD]
    new_items = np.arange(known.num_items) >= num_items
    of_new = test.matrix()
    of_new = of_new.multiply((np.arange(known.num_users) >= num_users)[:, None]).tocsr()
    of_new.eliminate_zeros()
    for name, one in (("fine-tuned", score), ("popularity", of_popular)):
        result = evaluate_ranking(one, known.matrix(), of_new, ks=[10], num_bootstrap=0)
        found[name][NEW] = result.metrics[METRIC]
        found[name][ITEMS] = recalls_of(one, known, test, new_items)[0]
    return found


def _old(known: Events, base: Run) -> object:
    return known.matrix()[: len(base.users), : len(base.items)].tocsr()


def _popularity(known: Events) -> Score:
    counts = known.item_counts.astype(np.float32)
    return lambda users: np.broadcast_to(counts, (len(users), len(counts)))


@click.command()
@options.data("movielens-latest-small")
@options.DATA_DIR
@options.SEEDS
@options.EPOCHS
@click.option("--model", default="text_hybrid", show_default=True)
@click.option("--later-epochs", default=4, show_default=True, help="Of going on, at most.")
@click.option("--later-rate", default=1e-3, show_default=True, help="Learning rate of going on.")
@options.runs("runs/fine_tuning")
def main(
    data: str,
    data_dir: Path | None,
    seeds: int,
    epochs: int | None,
    model: str,
    later_epochs: int,
    later_rate: float,
    runs: Path,
) -> None:
    """Trains, goes on, prints the table and writes the CSV."""
    tables = read_tables(data, data_dir)
    values: dict[str, dict[str, list[float]]] = {}
    for seed in range(seeds):
        folder = runs / tables.name / f"{model}-{seed}"
        first, later = parted(tables, seed)
        base = trained(model, first, folder / "base", seed=seed, epochs=epochs)
        if not (folder / "grown" / "run.json").exists():
            fine_tune(
                base,
                later,
                folder / "grown",
                say=click.echo,
                seed=seed,
                epochs=later_epochs,
                learning_rate=later_rate,
            )
        for name, metrics in measured(base, load_run(folder / "grown")).items():
            for metric, value in metrics.items():
                values.setdefault(name, {}).setdefault(metric, []).append(value)
    rows = [
        ReportRow(
            name,
            {metric: float(np.mean(column)) for metric, column in columns.items()},
            {metric: over_seeds(column) for metric, column in columns.items() if seeds > 1},
        )
        for name, columns in values.items()
    ]
    RESULTS.mkdir(exist_ok=True)
    write_csv(RESULTS / f"fine_tuning_{tables.name}.csv", rows)
    print_table(rows, (OLD, KEPT, NEW, ITEMS), title=f"{tables.name}, {model}, {seeds} seeds")


if __name__ == "__main__":
    main()
