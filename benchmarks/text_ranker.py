"""How well reviews say whether an item is recommended: Women's Clothing, split by item.

    python benchmarks/text_ranker.py

Each pair is what somebody wrote (title and body) and the item's shelves; the rating is never
read. No item is in two parts. Everything is chosen on validation: the linear model's grid, and the
epoch each network stops at. Test is looked at once a run. Networks are trained once a seed, and the
interval is that of the mean over seeds (Student's t); TF-IDF with logistic regression draws
nothing, so its interval is a bootstrap over test reviews. Rows are written as they finish to
`benchmarks/results/text_ranker.csv`, and runs are kept in --runs, so an interrupted measurement
goes on.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import click
import keras
import numpy as np
import options
import pandas as pd
import tensorflow as tf
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression

from tfrec_fusion.data.sources.loading import load
from tfrec_fusion.data.split import cold_item
from tfrec_fusion.data.tables.item_texts import joined_texts
from tfrec_fusion.data.tables.rec_data import RecData
from tfrec_fusion.evaluation.rating import evaluate_clicks
from tfrec_fusion.evaluation.report import ReportRow, print_table, write_csv
from tfrec_fusion.files.whole import write_text
from tfrec_fusion.text.encoding.encoder import TextEncoder
from tfrec_fusion.text.encoding.store import TextStore
from tfrec_fusion.text.language_models.presets import load_language_model
from tfrec_fusion.training.fit import fit
from tfrec_fusion.zoo.models.text_ranker.network import TextRanker, text_ranker
from tfrec_fusion.zoo.runs.seeds import over_seeds

RESULTS = Path(__file__).parent / "results"
METRICS = ("auc", "accuracy", "precision", "recall", "f1")
COLUMNS = (*METRICS, "validation_auc", "seconds")
MAX_LENGTH = 128
TFIDF = "tfidf + logistic regression"
SIDES = ("user", "item")

Arrays = dict[str, np.ndarray]


@dataclass(frozen=True)
class Way:
    """A text ranker and how it is trained.

    Attributes:
        reads: What it is given: tokens of both texts, or vectors of a frozen model, or both.
        choices: Keywords of `text_ranker`.
        learning_rate: Of Adam, falling to zero along a line.
        epochs: The most; the best on validation counts.
        batch_size: Pairs a batch.
        tuned: Whether the language model is part of it.
    """

    reads: tuple[str, ...]
    choices: dict[str, Any]
    learning_rate: float
    epochs: int
    batch_size: int = 64
    tuned: bool = False


TOKENS, VECTORS = ("token_ids", "num_tokens"), ("vector",)
WAYS = {
    "text_ranker: n-grams": Way(TOKENS, {"lexical_buckets": 2**20}, 1e-2, 3),
    "text_ranker: frozen": Way(
        VECTORS, {"lexical_buckets": 0, "hidden_units": (256, 64)}, 3e-3, 12
    ),
    "text_ranker: frozen, n-grams": Way(
        TOKENS + VECTORS, {"lexical_buckets": 2**20, "lexical_scale": 3.0}, 3e-3, 5
    ),
    "text_ranker: last 2 blocks tuned, n-grams": Way(
        TOKENS,
        {
            "pair": "cross",
            "mode": "full",
            "full_layers": 2,
            "hidden_units": (),
            "dropout": 0.1,
            "lexical_buckets": 2**20,
            "lexical_scale": 30.0,
        },
        *(2e-4, 1, 32, True),
    ),
}


@dataclass(frozen=True)
class Part:
    """The reviews of one part: the two texts of each pair, whatever reads them, and the label."""

    texts: list[str]
    inputs: Arrays
    labels: np.ndarray


def parts_of(data: RecData, cache_dir: Path | None) -> dict[str, Part]:
    """Train, validation and test, with tokens and with vectors of the frozen language model."""
    split = cold_item(data, test=0.2, validation=0.1, seed=0)
    click.echo(split.description)
    encoder = TextEncoder("minilm", max_length=MAX_LENGTH, cache_dir=cache_dir)
    store = TextStore(None if cache_dir is None else cache_dir / "text")
    item_texts = pd.Series(joined_texts(data.items), data.items["item_id"])
    parts = {}
    for name in ("train", "validation", "test"):
        rows = getattr(split, name)
        texts = {"user": rows["text"].tolist(), "item": item_texts[rows["item_id"]].tolist()}
        inputs: Arrays = {}
        for side in SIDES:
            ids, num_tokens, _ = encoder.tokenize(texts[side])
            inputs[f"{side}_token_ids"] = ids[:, : num_tokens.max()]
            inputs[f"{side}_num_tokens"] = num_tokens
            inputs[f"{side}_vector"] = np.array(store.encode(encoder, texts[side]))
        pairs = [" ".join(pair) for pair in zip(texts["user"], texts["item"], strict=True)]
        parts[name] = Part(pairs, inputs, rows["recommended"].to_numpy(np.float32))
    return parts


def chosen(part: Part, way: Way) -> Arrays:
    """The inputs of a part that a way reads."""
    names = [f"{side}_{what}" for side in SIDES for what in way.reads]
    return {name: part.inputs[name] for name in names}


def batches(part: Part, way: Way, seed: int | None) -> tf.data.Dataset:
    """Batches of texts of like length, in a new order each epoch; as they are without a seed."""
    rows = tf.data.Dataset.from_tensor_slices((chosen(part, way), {"logits": part.labels}))
    if seed is not None:
        rows = rows.shuffle(len(part.labels), seed=seed)
    if not way.tuned or seed is None:
        return rows.batch(way.batch_size if seed is not None else 128).map(_trimmed)
    bounds = [32, 48, 64, 80, 96, 112, 128]
    by_length = rows.bucket_by_sequence_length(
        lambda x, y: x["user_num_tokens"], bounds, [way.batch_size] * (len(bounds) + 1)
    )
    return by_length.map(_trimmed).shuffle(64, seed=seed)


def _trimmed(x: dict[str, tf.Tensor], y: Any) -> tuple[dict[str, tf.Tensor], Any]:
    """Without the columns that are padding in every row."""
    for side in SIDES:
        name = f"{side}_token_ids"
        if name in x:
            longest = tf.maximum(1, tf.reduce_max(x[f"{side}_num_tokens"]))
            x = {**x, name: x[name][:, :longest]}
    return x, y


def probabilities(model: TextRanker, part: Part, way: Way) -> np.ndarray:
    """Predicted probabilities, the part's reviews read in order of length."""
    order = np.argsort(part.inputs["user_num_tokens"], kind="stable")
    inputs = {name: values[order] for name, values in part.inputs.items()}
    logits = np.empty(len(order))
    logits[order] = np.concatenate(
        [
            np.asarray(model(x, training=False)["logits"])
            for x, _ in batches(Part([], inputs, part.labels), way, None)
        ]
    )
    return 1 / (1 + np.exp(-logits))


def measured(
    predict: Callable[[Part], np.ndarray], parts: dict[str, Part], seconds: float
) -> dict[str, Any]:
    """What goes into a run's file."""
    validation, test = (
        evaluate_clicks(parts[name].labels, predict(parts[name])) for name in ("validation", "test")
    )
    return {
        "validation_auc": validation.metrics["auc"],
        "seconds": seconds,
        "test": test.metrics,
        "test_intervals": test.intervals,
    }


def run_network(way: Way, parts: dict[str, Part], seed: int) -> dict[str, Any]:
    """Trains a text ranker and tests it at its best epoch on validation."""
    keras.utils.set_random_seed(seed)
    choices = dict(way.choices)
    if "vector" in way.reads:
        choices["vector_dim"] = parts["train"].inputs["user_vector"].shape[1]
    backbone = load_language_model("minilm").backbone if way.tuned else None
    model = text_ranker(backbone, **choices)
    steps = way.epochs * len(parts["train"].labels) // way.batch_size
    started = time.perf_counter()

    def validate() -> dict[str, float]:
        part = parts["validation"]
        found = evaluate_clicks(part.labels, probabilities(model, part, way), num_bootstrap=0)
        return {"auc": found.metrics["auc"]}

    fit(
        model,
        batches(parts["train"], way, seed),
        epochs=way.epochs,
        optimizer=keras.optimizers.Adam(
            keras.optimizers.schedules.PolynomialDecay(way.learning_rate, steps, 0.0)
        ),
        loss={"logits": keras.losses.BinaryCrossentropy(from_logits=True)},
        validate=validate,
        monitor="auc",
        patience=None,
        jit_compile=False,
        seed=seed,
    )
    seconds = time.perf_counter() - started
    return measured(lambda part: probabilities(model, part, way), parts, seconds)


def run_tfidf(parts: dict[str, Part]) -> dict[str, Any]:
    """Logistic regression on TF-IDF, the best of a grid on validation."""
    train, validation = parts["train"], parts["validation"]
    started = time.perf_counter()
    best: tuple[float, Any, Any] = (0.0, None, None)
    for ngrams, min_df, sublinear in product((1, 2, 3), (1, 2), (False, True)):
        words = TfidfVectorizer(ngram_range=(1, ngrams), min_df=min_df, sublinear_tf=sublinear)
        features = words.fit_transform(train.texts)
        for c in (1.0, 2.0, 4.0, 8.0, 16.0):
            linear = LogisticRegression(C=c, max_iter=1000).fit(features, train.labels)
            predicted = linear.predict_proba(words.transform(validation.texts))[:, 1]
            found = evaluate_clicks(validation.labels, predicted, num_bootstrap=0)
            if found.metrics["auc"] > best[0]:
                best = (found.metrics["auc"], words, linear)
    seconds = time.perf_counter() - started
    _, words, linear = best
    click.echo(f"{TFIDF}: {words}, {linear}")
    return measured(
        lambda part: linear.predict_proba(words.transform(part.texts))[:, 1], parts, seconds
    )


def row_of(name: str, runs: list[dict[str, Any]]) -> ReportRow:
    """One row of the runs of one way."""
    values = {key: [run["test"][key] for run in runs] for key in METRICS}
    values |= {key: [run[key] for run in runs] for key in ("validation_auc", "seconds")}
    means = {key: float(np.mean(value)) for key, value in values.items()}
    if len(runs) == 1:
        found = runs[0]["test_intervals"]
        return ReportRow(name, means, {key: tuple(found[key]) for key in METRICS})
    return ReportRow(name, means, {key: over_seeds(values[key]) for key in COLUMNS[:-1]})


@click.command()
@options.DATA_DIR
@click.option("--cache-dir", type=click.Path(path_type=Path))
@options.SEEDS
@options.threads()
@click.option("--runs", "folder", default="runs/text_ranker", type=click.Path(path_type=Path))
@click.option("--way", "names", multiple=True, default=(TFIDF, *WAYS), help="All by default.")
def main(
    data_dir: Path | None,
    cache_dir: Path | None,
    seeds: int,
    threads: int,
    folder: Path,
    names: tuple[str, ...],
) -> None:
    """Trains, prints the table and writes the CSV."""
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    parts = parts_of(load("womens-clothing", data_dir, cache_dir), cache_dir)
    rows = []
    for name in names:
        runs = []
        for seed in range(1 if name == TFIDF else seeds):
            file = folder / f"{name}-{seed}.json"
            if not file.exists():
                made = run_tfidf(parts) if name == TFIDF else run_network(WAYS[name], parts, seed)
                write_text(file, json.dumps(made, indent=1))
            runs.append(json.loads(file.read_text()))
            click.echo(f"{name}, seed {seed}: {pd.Series(runs[-1]['test']).round(4).to_dict()}")
        rows.append(row_of(name, runs))
        RESULTS.mkdir(exist_ok=True)
        write_csv(RESULTS / "text_ranker.csv", rows)
    print_table(rows, COLUMNS, title=f"Women's Clothing, test items unseen, {seeds} seeds")


if __name__ == "__main__":
    main()
