"""Commands about texts: searching a catalogue by meaning, a language model of one's own."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
import numpy as np
import pandas as pd

from tfrec_fusion.data.sources.reading import read_tables
from tfrec_fusion.data.tables.item_texts import joined_texts, shown_titles
from tfrec_fusion.errors import AlreadyExists, InvalidInput, NotFound
from tfrec_fusion.zoo.cli.data_options import reads_tables
from tfrec_fusion.zoo.cli.recommend import print_items, told_warnings
from tfrec_fusion.zoo.prebuilt.load import open_run

TEXT_COLUMN = "text"
LENGTH_HELP = "Tokens of a text; by default 64, or as many as the language model has positions for."
PRESET_HELP = "Language model: minilm, a KerasHub preset, hf://owner/name[@revision], or a folder."


def _names(context: click.Context, option: click.Parameter, given: tuple[str, ...]) -> Any:
    """Names that are separated by commas, or given by repeating the option."""
    names = (name.strip() for part in given for name in part.split(","))
    return tuple(name for name in names if name)


text_columns = click.option(
    "--text-columns",
    multiple=True,
    callback=_names,
    help="Item columns that are read after title and text, e.g. brand,category.",
)


@click.command()
@click.argument("query")
@reads_tables(help="A public data set, or a folder of tables: whose items to search.")
@click.option("--run", type=click.Path(path_type=Path), help="Instead: a run's catalogue.")
@click.option("--user-id", help="With --run: order what is found by this user's taste.")
@click.option("--text-preset", default="minilm", show_default=True, help=PRESET_HELP)
@click.option("--text-length", type=click.IntRange(1), help=LENGTH_HELP)
@text_columns
@click.option("-k", default=10, show_default=True, help="How many items.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def search(
    query: str,
    data: str | None,
    data_dir: Path | None,
    csv: dict[str, str],
    run: Path | None,
    user_id: str | None,
    text_preset: str,
    text_length: int | None,
    text_columns: tuple[str, ...],
    k: int,
    as_json: bool,
) -> None:
    """Find items by what QUERY means, in MovieLens-100K unless told otherwise."""
    # TF Text and KerasHub take seconds to import: other commands need not wait for them.
    from tfrec_fusion.text.encoding.item_vectors import item_encoder
    from tfrec_fusion.zoo.answers.semantic_search import SemanticSearch

    if text_columns and run is not None:
        raise click.UsageError(
            "--text-columns goes with --data: a run reads those it was trained with."
        )
    if run is not None and (data or data_dir or csv):
        raise click.UsageError("Give --run or --data, not both.")
    if user_id is not None and run is None:
        raise click.UsageError("--user-id needs --run, the model that knows the user's taste.")
    if not query.strip():
        raise click.UsageError("QUERY is empty. Give at least one word.")
    recommender = None
    if run is not None:
        loaded = open_run(run)
        recommender = loaded.recommender if user_id is not None else None
        ids, titles, texts = loaded.items.ids, loaded.titles, loaded.texts
    else:
        items = read_tables(data or "movielens-100k", data_dir, **csv).items
        columns = (items["item_id"], shown_titles(items), joined_texts(items, text_columns))
        ids, titles, texts = (np.array(["", *column], object) for column in columns)
    encoder = item_encoder(text_preset, text_length)
    index = SemanticSearch.over(ids, titles, texts, encoder)
    with told_warnings():
        found = index.search(query, k, recommender, user_id)
    print_items(found, {"query": query, "user_id": user_id}, as_json)


def _names_texts(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds the options of a command that learns from texts; `_written_texts` reads them."""
    for option in (
        click.option(
            "--texts",
            "file",
            type=click.Path(path_type=Path),
            help="A UTF-8 file instead, a text a line.",
        ),
        click.option(
            "--column",
            "columns",
            multiple=True,
            help="Where texts are, in items or interactions; may be repeated. By default `text`, "
            "which of items is their titles and texts, joined.",
        ),
        reads_tables(),
    ):
        command = option(command)
    return command


@click.command("pretrain-lm")
@_names_texts
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Preset folder.")
@click.option("--vocabulary-size", default=4096, show_default=True, help="Tokens.")
@click.option("--num-layers", default=4, show_default=True, help="Transformer blocks.")
@click.option("--num-heads", default=4, show_default=True, help="Attention heads a block.")
@click.option("--hidden-dim", default=128, show_default=True, help="Length of a token's vector.")
@click.option("--max-length", default=128, show_default=True, help="Tokens the model can see.")
@click.option("--dropout", default=0.1, show_default=True, help="Share of values dropped.")
@click.option("--epochs", default=10, show_default=True, help="At most this many.")
@click.option("--batch-size", default=16, show_default=True, help="Blocks of tokens a step.")
@click.option("--learning-rate", default=2e-3, show_default=True, help="At its highest.")
@click.option("--seed", default=0, show_default=True, help="Seed of everything drawn.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def pretrain_lm(
    data: str | None,
    data_dir: Path | None,
    csv: dict[str, str],
    columns: tuple[str, ...],
    file: Path | None,
    out: Path,
    epochs: int,
    batch_size: int,
    learning_rate: float,
    seed: int,
    as_json: bool,
    **sizes: int | float,
) -> None:
    """Train a small GPT-2 on your own texts into a preset folder, beside n-gram models.

    A tenth of the texts says when to stop, another tenth is what perplexities are measured on.
    """
    # TF Text and KerasHub take seconds to import: other commands need not wait for them.
    from tfrec_fusion.text.language_models.causal import GPT2Size, Schedule
    from tfrec_fusion.text.pretraining.pretrain import pretrain, split_texts

    written = _written_texts(data, data_dir, csv, columns, file)
    if out.exists():
        raise AlreadyExists(f"--out must not exist. Received: {out}, which does.")
    result = pretrain(
        split_texts(written, seed=seed),
        out,
        size=GPT2Size(**sizes),  # type: ignore[arg-type]
        schedule=Schedule(epochs=epochs, batch_size=batch_size, learning_rate=learning_rate),
        seed=seed,
        progress=not as_json,
    )
    if as_json:
        click.echo(json.dumps({"folder": str(out), **vars(result)}))
        return
    click.echo(f"{'model':8} perplexity")
    for name in ("unigram", "bigram"):
        click.echo(f"{name:8} {getattr(result, name):.2f}")
    click.echo(f"{'GPT-2':8} {result.perplexity:.2f}")
    click.echo(
        f"{out}: {result.parameters:,} parameters, best after epoch {result.best_epoch} of "
        f"{result.epochs}, {result.seconds:.0f} s; use it as a preset, by its path.",
        err=True,
    )


@click.command("distil-lm")
@click.argument("student")
@_names_texts
@click.option("--teacher", default="minilm", show_default=True, help=PRESET_HELP)
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Preset folder.")
@click.option("--max-length", default=32, show_default=True, help="Tokens of a text.")
@click.option("--epochs", default=4, show_default=True)
@click.option("--batch-size", default=64, show_default=True, help="Texts a step.")
@click.option("--learning-rate", default=2e-3, show_default=True, help="At its highest.")
@click.option("--seed", default=0, show_default=True, help="Seed of everything drawn.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def distil_lm(
    student: str,
    data: str | None,
    data_dir: Path | None,
    csv: dict[str, str],
    columns: tuple[str, ...],
    file: Path | None,
    teacher: str,
    out: Path,
    max_length: int,
    epochs: int,
    batch_size: int,
    learning_rate: float,
    seed: int,
    as_json: bool,
) -> None:
    """Train STUDENT, a preset, to find those texts alike that a larger model finds alike.

    A tenth of the texts is watched, another tenth is what the likeness is measured on.
    """
    # TF Text and KerasHub take seconds to import: other commands need not wait for them.
    from tfrec_fusion.text.language_models.causal import Schedule
    from tfrec_fusion.text.pretraining.distillation import distil
    from tfrec_fusion.text.pretraining.pretrain import split_texts

    written = _written_texts(data, data_dir, csv, columns, file)
    result = distil(
        student,
        split_texts(written, seed=seed),
        out,
        teacher=teacher,
        max_length=max_length,
        schedule=Schedule(
            epochs=epochs, batch_size=batch_size, learning_rate=learning_rate, weight_decay=0.01
        ),
        seed=seed,
        progress=not as_json,
    )
    if as_json:
        click.echo(json.dumps({"folder": str(out), **asdict(result)}))
        return
    click.echo(f"{'of the teacher':15} correlation nearest")
    for name, one in (("before", result.before), ("after", result.after)):
        click.echo(f"{name:15} {one.correlation:11.3f} {one.nearest:7.3f}")
    click.echo(f"{out}: {result.seconds:.0f} s; use it as a preset, by its path.", err=True)


def _written_texts(
    data: str | None,
    data_dir: Path | None,
    csv: Mapping[str, str],
    columns: tuple[str, ...],
    file: Path | None,
) -> list[str]:
    """The texts that two options name, without the blank ones, which are counted."""
    if (data is None) == (file is None):
        raise InvalidInput("Give the texts by --data or by --texts, one of them.")
    if file is not None:
        if columns or data_dir or csv:
            raise InvalidInput(
                "--column, --data-dir, --sep, --encoding and --decimal belong to --data, not to "
                "--texts."
            )
        texts = lines_of(file)
    else:
        texts = texts_of(str(data), data_dir, columns or (TEXT_COLUMN,), **csv)
    written = [text for text in texts if text.strip()]
    if blank := len(texts) - len(written):
        click.echo(f"{blank} of {len(texts)} texts are blank and are left out.", err=True)
    return written


def texts_of(data: str, data_dir: Path | None, columns: Iterable[str], **csv: Any) -> list[str]:
    """The texts in these columns of a data set's items and interactions, wherever they are.

    The column `text` of items is their titles and texts joined, as models read them.

    Args:
        data: A name of a public data set, or a folder, as `read_tables` takes it.
        data_dir: A local copy of the public data set.
        columns: Names of columns; one of each table may have the name, or both.
        **csv: How CSV files are written, as `read_tables` takes it.

    Raises:
        ValueError: When neither table has a column, or it holds something else than texts.
    """
    tables = read_tables(data, data_dir, **csv)
    items = tables.items.assign(text=joined_texts(tables.items))
    frames = {"items": items, "interactions": tables.interactions}
    texts: list[str] = []
    for column in columns:
        found = {name: frame[column] for name, frame in frames.items() if column in frame}
        if not found:
            have = "; ".join(f"{name} has {', '.join(one)}" for name, one in frames.items())
            raise InvalidInput(f"--column must be one of a table's. Received: {column!r}; {have}.")
        for name, series in found.items():
            values = series.dropna()
            if pd.api.types.is_numeric_dtype(values) or not values.map(type).eq(str).all():
                raise InvalidInput(
                    f"--column {column}: {name}.{column} must hold texts. "
                    f"Received: values of type {values.dtype}."
                )
            texts += values.tolist()
    return texts


def lines_of(file: Path) -> list[str]:
    """A file's lines, each a text.

    Args:
        file: A UTF-8 text file.

    Raises:
        FileNotFoundError: When there is none.
        ValueError: When it is not UTF-8.
    """
    if not file.is_file():
        raise NotFound(f"--texts must be a file. Received: {file}, which is none.")
    try:
        text = file.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidInput(
            f"--texts must be a UTF-8 file. Received: {file}, whose byte {error.start} is "
            f"{error.object[error.start]:#04x}. Convert it, e.g. `iconv -f latin1 -t utf-8`."
        ) from error
    return text.replace("\r\n", "\n").removesuffix("\n").split("\n")
