"""How fast a catalog's texts become vectors on a CPU.

    python benchmarks/encoding_speed.py --sentence-transformers-python VENV/bin/python

encodes the texts of a public data set's items with all-MiniLM-L6-v2 in several ways, which take
turns on the same threads:

* plain: `backbone.predict` of token ids padded to one length, pooled; tokens are made before;
* ours: `TextEncoder.encode`, from strings to vectors;
* sentence-transformers with its defaults, from strings to vectors, in a process of its own with
  the Python that `--sentence-transformers-python` names (left out without it).

All of them read at most `--length` tokens. A time is the median of the turns, a ratio the median
of each turn's own ratio to plain; the first turn is not counted. Cosines compare `encode` with the
plain float32 vectors. Writes `benchmarks/results/encoding_speed.csv`.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import click
import numpy as np
import options
import pandas as pd
import tensorflow as tf

from tfrec_fusion.data.sources.loading import load
from tfrec_fusion.data.sources.reading import read_tables
from tfrec_fusion.data.tables.item_texts import joined_texts
from tfrec_fusion.files.cache import cache_folder
from tfrec_fusion.files.whole import write_text
from tfrec_fusion.text.encoding.encoder import TextEncoder
from tfrec_fusion.text.language_models.named.minilm import MODEL as MINILM

RESULTS = Path(__file__).parent / "results"
TURNS_SCRIPT = Path(__file__).parent / "sentence_transformers_turns.py"
PLAIN = "backbone.predict, fixed length"
OURS = "TextEncoder.encode"
THEIRS = "sentence-transformers"
Way = Callable[[], np.ndarray | None]


def plain_way(encoder: TextEncoder, texts: list[str]) -> Way:
    """Keras's own way: all texts padded to one length."""
    token_ids, num_tokens, _ = encoder.tokenize(texts)
    mask = (np.arange(encoder.max_length) < num_tokens[:, None]).astype(np.int32)
    inputs = {"token_ids": token_ids, "padding_mask": mask, "segment_ids": 0 * token_ids}

    def encode() -> np.ndarray:
        states = encoder.language_model.backbone.predict(inputs, verbose=0)["sequence_output"]
        total = np.einsum("bld,bl->bd", states, mask.astype(np.float32))
        return total / np.maximum(num_tokens, 1)[:, None]

    return encode


@contextlib.contextmanager
def their_way(python: str, texts: list[str], length: int, threads: int) -> Iterator[Way]:
    """sentence-transformers in another Python, waiting for its turns."""
    folder = MINILM.folder(cache_folder())
    command = [python, str(TURNS_SCRIPT), str(folder), str(length), str(threads)]
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**os.environ, "HF_HUB_OFFLINE": "1"},  # the folder is all it needs
    ) as process:
        if process.stdin is None or process.stdout is None:
            raise RuntimeError("The other Python has no pipes.")
        asked, answers = process.stdin, process.stdout
        asked.write(json.dumps(texts) + "\n")

        def encode() -> None:
            asked.write("go\n")
            asked.flush()
            if not answers.readline():
                raise RuntimeError(f"{python} cannot run {TURNS_SCRIPT}. Run it by hand.")

        yield encode
        asked.close()


def take_turns(ways: dict[str, Way], turns: int) -> tuple[pd.DataFrame, dict[str, np.ndarray]]:
    """Seconds by turn and way, and the last vectors of each way that returns them."""
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    vectors: dict[str, np.ndarray] = {}
    for turn in range(turns + 1):
        for name, encode in ways.items():
            started = time.perf_counter()
            received = encode()
            took = time.perf_counter() - started
            click.echo(f"turn {turn} of {turns}, {name}: {took:.1f} s", err=True)
            if turn:
                seconds[name].append(took)
            if received is not None:
                vectors[name] = received
    return pd.DataFrame(seconds), vectors


def cosines(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Cosine of each row of one array with its row of the other."""
    sizes = np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1)
    return (one * other).sum(1) / sizes


def measure(
    name: str, texts: list[str], length: int, turns: int, threads: int, python: str | None
) -> list[dict[str, object]]:
    """The table's rows for one catalog."""
    encoder = TextEncoder("minilm", max_length=length)
    num_tokens = encoder.tokenize(texts)[1]
    texts = [text for text, some in zip(texts, num_tokens, strict=True) if some]
    ways: dict[str, Way] = {
        PLAIN: plain_way(encoder, texts),
        OURS: lambda: encoder.encode(texts),
    }
    with contextlib.ExitStack() as stack:
        if python:
            ways[THEIRS] = stack.enter_context(their_way(python, texts, length, threads))
        seconds, vectors = take_turns(ways, turns)
    alike = cosines(vectors[OURS], vectors[PLAIN])
    rows = []
    for way in ways:
        row: dict[str, object] = {
            "catalog": name,
            "way": way,
            "texts": len(texts),
            "mean_tokens": round(float(num_tokens[num_tokens > 0].mean()), 1),
            "length": length,
            "seconds": round(float(seconds[way].median()), 2),
            "texts_per_second": round(len(texts) / float(seconds[way].median())),
            "ratio_to_plain": round(float((seconds[PLAIN] / seconds[way]).median()), 2),
        }
        if way == OURS:
            row |= {"min_cosine": round(float(alike.min()), 6)}
            row |= {"mean_cosine": round(float(alike.mean()), 6)}
        rows.append(row)
    return rows


@click.command()
@options.data()
@options.DATA_DIR
@click.option("--length", default=64, show_default=True, help="Most tokens of a text.")
@click.option("--reviews", default=0, show_default=True, help="Also so many clothing reviews.")
@click.option("--turns", default=5, show_default=True)
@options.threads()
@click.option("--sentence-transformers-python", help="A Python that has sentence-transformers.")
def main(
    data: str,
    data_dir: Path | None,
    length: int,
    reviews: int,
    turns: int,
    threads: int,
    sentence_transformers_python: str | None,
) -> None:
    """Measures, prints the table and writes the CSV."""
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    catalogs = {f"{data}, titles and genres": joined_texts(read_tables(data, data_dir).items)}
    if reviews:
        catalogs["womens-clothing, reviews"] = list(
            load("womens-clothing").interactions["text"][:reviews]
        )
    rows = [
        row
        for name, texts in catalogs.items()
        for row in measure(name, texts, length, turns, threads, sentence_transformers_python)
    ]
    table = pd.DataFrame(rows)
    click.echo(table.to_string(index=False))
    write_text(RESULTS / "encoding_speed.csv", table.to_csv(index=False))


if __name__ == "__main__":
    main()
