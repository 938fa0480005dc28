"""Whether what an explanation names carried the score: it is removed, and so is something random.

    python benchmarks/explanation_check.py --data movielens-100k
    python benchmarks/explanation_check.py --data movielens-100k --model knowledge_hybrid

takes the hybrid's trained run of each seed (made where it is missing, in --runs), draws
recommendations from users' top ten and removes from each the evidence that
`zoo.answers.explanation` names first, and as much drawn at random from the rest: a tenth of the
past items from the history, or three tenths of the words from the text or of the entities that the
item reads in the graph, at least one. Words are named by what leaving each out does, and once more
by integrated gradients. Writes `benchmarks/results/explanation_check_<data>.csv`, or with a graph
`explanation_check_knowledge_hybrid_<data>.csv`: in which share of the recommendations the score
falls more without the named evidence, by how much it falls on average, and how many recommendations
had enough evidence to choose from; mean and 95% interval over seeds.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, cast

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import click
import numpy as np
import options
from quality import RESULTS, trained

from tfrec_fusion.data.sources.reading import read_tables
from tfrec_fusion.evaluation.report import ReportRow, print_table, write_csv
from tfrec_fusion.text.encoding.encoder import TextEncoder
from tfrec_fusion.text.encoding.item_vectors import item_encoder
from tfrec_fusion.zoo.answers.explanation import Explainer
from tfrec_fusion.zoo.runs.run import Run
from tfrec_fusion.zoo.runs.seeds import over_seeds

TOP = 10
# Of a history, of a text, of what an item reads in the graph; at least one.
REMOVED = {"past items": 0.1, "words": 0.3, "words by gradients": 0.3, "graph paths": 0.3}
MODELS = ("text_hybrid", "knowledge_hybrid")
METRICS = ("falls more", "fall", "fall at random", "recommendations")


def falls(run: Run, encoder: TextEncoder, count: int, seed: int) -> dict[str, list[np.ndarray]]:
    """By kind of evidence `(2,)` each: how much a score falls without the named, without others."""
    rng, model = np.random.default_rng(seed), cast(Any, run.model)
    recommender, explainer = run.recommender, Explainer(run.recommender, encoder)
    fallen: dict[str, list[np.ndarray]] = {name: [] for name in REMOVED}
    for user in rng.choice(np.arange(1, len(run.users)), count, replace=False):
        user_id = str(run.users.ids[user])
        item_id = str(recommender.recommend(user_id, TOP)["item_id"].iloc[rng.integers(TOP)])
        found = explainer.explain(user_id, item_id)
        item, history = int(run.items.index([item_id])[0]), explainer.history(int(user))
        named = run.items.index(found.history["item_id"])
        if (drawn := _drawn(named, "past items", rng)) is not None:
            kept = [history[~np.isin(history, some)] for some in drawn]
            scores = explainer.scores_of_histories([history, *kept], int(user))[:, item]
            fallen["past items"].append(scores[0] - scores[1:])
        by_gradients = found.words.sort_values("gradient", ascending=False, kind="stable")
        for kind, words in (("words", found.words), ("words by gradients", by_gradients)):
            if (drawn := _drawn(words["word"].to_numpy(), kind, rng)) is None:
                continue
            text = str(run.texts[item]).split()
            texts = [" ".join(text), *(_without(text, some) for some in drawn)]
            score = model.text_scores(history, int(user), item)
            scores = np.asarray(score(encoder.encode(texts)))
            fallen[kind].append(scores[0] - scores[1:])
        if found.paths is None or run.graph is None:
            continue
        named = np.array([run.graph.entities.index(one) for one in found.paths["entity_id"]])
        if (drawn := _drawn(named, "graph paths", rng)) is not None:
            aside = np.stack([0 * drawn[0], *drawn])  # none, the named, others
            scores = model.scores_without(history, int(user), item, aside)
            fallen["graph paths"].append(scores[0] - scores[1:])
    return {name: pairs for name, pairs in fallen.items() if pairs}


def _drawn(
    named: np.ndarray, kind: str, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray] | None:
    """The strongest evidence, and as much of the rest, drawn; None where there is not enough."""
    number = max(1, round(REMOVED[kind] * len(named)))
    if len(named) < 2 * number:
        return None
    return named[:number], rng.choice(named[number:], number, replace=False)


def _without(words: list[str], removed: np.ndarray) -> str:
    kept = list(words)
    for word in removed:
        kept.remove(word)
    return " ".join(kept)


@click.command()
@options.data()
@click.option("--model", default=MODELS[0], show_default=True, type=click.Choice(MODELS))
@options.DATA_DIR
@options.SEEDS
@click.option("--count", default=200, show_default=True, help="Recommendations a seed.")
@options.runs("runs/hybrid")
def main(data: str, model: str, data_dir: Path | None, seeds: int, count: int, runs: Path) -> None:
    """Explains, removes, prints the table and writes the CSV."""
    tables = read_tables(data, data_dir)
    found: dict[str, dict[str, list[float]]] = {
        name: {metric: [] for metric in METRICS} for name in REMOVED
    }
    for seed in range(seeds):
        folder = runs / tables.name / f"{model}-{seed}"
        run = trained(model, tables, folder, seed=seed)
        options = run.info["options"]
        encoder = item_encoder(options["text_preset"], options["text_length"])
        for name, pairs in falls(run, encoder, count, seed).items():
            rows = np.array(pairs)
            values = (np.mean(rows[:, 0] > rows[:, 1]), *rows.mean(0), len(rows))
            for metric, value in zip(METRICS, values, strict=True):
                found[name][metric].append(float(value))
    table = [
        ReportRow(
            f"{name}, {REMOVED[name]:.0%} removed",
            {metric: float(np.mean(column)) for metric, column in columns.items()},
            {metric: over_seeds(columns[metric]) for metric in METRICS[:3]},
        )
        for name, columns in found.items()
        if columns[METRICS[0]]
    ]
    RESULTS.mkdir(exist_ok=True)
    of_model = "" if model == MODELS[0] else f"{model}_"
    write_csv(RESULTS / f"explanation_check_{of_model}{tables.name}.csv", table)
    print_table(table, METRICS, title=f"{tables.name}, {count} recommendations, {seeds} seeds")


if __name__ == "__main__":
    main()
