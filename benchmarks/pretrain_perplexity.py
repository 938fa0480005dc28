"""What a small GPT-2 pretrained on reviews knows beyond unigrams and bigrams.

    python benchmarks/pretrain_perplexity.py --data-dir FOLDER

trains `tfrec_fusion.text.pretraining.pretrain` on the reviews of FOLDER/reviews.csv.gz (column
--column), once a seed, briefly: sizes and epochs are for a CPU. The seed draws validation (which
tunes the n-gram models and says which epoch is best) and test, 10% each of the different reviews,
and everything in the training. All models share one byte-pair tokenizer, learned from the training
texts, and predict the same test tokens. Writes `benchmarks/results/pretrain_perplexity.csv`: the
mean perplexity and its 95% interval over seeds (Student's t). A seed's result is kept in --runs as
it finishes, with the preset, so an interrupted measurement goes on.
"""

from __future__ import annotations

import os
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import json

import click
import numpy as np
import options
import pandas as pd
import tensorflow as tf
from quality import RESULTS

from tfrec_fusion.evaluation.report import ReportRow, print_table, write_csv
from tfrec_fusion.text.language_models.causal import GPT2Size, Schedule
from tfrec_fusion.text.pretraining.pretrain import RESULT_FILE, pretrain, split_texts
from tfrec_fusion.zoo.runs.seeds import over_seeds

# Few passes over the texts: there is nothing to learn by heart, so nothing is dropped.
# A thousand tokens: a megabyte or two of reviews shows each of them often enough.
SIZE = GPT2Size(vocabulary_size=1024, max_length=64, dropout=0.0)
SCHEDULE = Schedule(epochs=3, learning_rate=3e-3, warm_up=0.1)
MODELS = {"unigram": "unigram", "bigram (Kneser-Ney)": "bigram", "GPT-2, small": "perplexity"}


def reviews(folder: Path, column: str) -> list[str]:
    """The texts of a column of reviews, blank ones left out."""
    texts = pd.read_csv(folder / "reviews.csv.gz", usecols=[column], dtype=str)[column].dropna()
    return texts[texts.str.strip() != ""].tolist()


@click.command()
@click.option("--data-dir", required=True, type=click.Path(path_type=Path, exists=True))
@click.option("--column", default="review_text", show_default=True)
@options.SEEDS
@options.runs("runs/pretrain_perplexity")
@options.threads()
def main(data_dir: Path, column: str, seeds: int, runs: Path, threads: int) -> None:
    """Trains, prints the table and writes the CSV."""
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    texts = reviews(data_dir, column)
    measured = []
    for seed in range(seeds):
        preset = runs / f"{data_dir.resolve().name}-{seed}"
        if not preset.exists():
            parts = split_texts(texts, seed=seed)
            pretrain(parts, preset, size=SIZE, schedule=SCHEDULE, seed=seed)
        measured.append(json.loads((preset / RESULT_FILE).read_text("utf-8")))
        click.echo(f"seed {seed}: { {key: measured[-1][key] for key in MODELS.values()} }")
    rows = []
    for name, key in MODELS.items():
        values = [one[key] for one in measured]
        interval = {"perplexity": over_seeds(values)} if seeds > 1 else {}
        rows.append(ReportRow(name, {"perplexity": float(np.mean(values))}, interval))
    print_table(rows, ("perplexity",), title=f"{data_dir.resolve().name}, test texts")
    RESULTS.mkdir(exist_ok=True)
    write_csv(RESULTS / "pretrain_perplexity.csv", rows)


if __name__ == "__main__":
    main()
