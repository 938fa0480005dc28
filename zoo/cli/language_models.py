"""The commands that train language models on texts of your own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from tfrec_fusion.errors import AlreadyExists
from tfrec_fusion.zoo.cli.printing import print_json, tell
from tfrec_fusion.zoo.cli.shared_options import PRESET_HELP, reads_tables, shared
from tfrec_fusion.zoo.cli.text_files import written_texts


def _names_texts(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds the options of a command that learns from texts; `written_texts` reads them."""
    for option in (
        click.option(
            "--texts",
            "file",
            type=click.Path(path_type=Path),
            metavar="FILE",
            help="Instead: a UTF-8 file with a text in each line.",
        ),
        click.option(
            "--column",
            "columns",
            multiple=True,
            metavar="NAME",
            help="A column of items or interactions that holds texts; may be repeated. By default "
            "`text`, which of items is their titles and texts, joined.",
        ),
        reads_tables(),
    ):
        command = option(command)
    return command


@click.command("pretrain-lm")
@_names_texts
@shared("out", help="Preset folder to write.")
@click.option(
    "--vocabulary-size", default=4096, show_default=True, help="Tokens of the vocabulary."
)
@click.option("--num-layers", default=4, show_default=True, help="Transformer blocks.")
@click.option("--num-heads", default=4, show_default=True, help="Attention heads of a block.")
@click.option("--hidden-dim", default=128, show_default=True, help="Size of a token's vector.")
@click.option("--max-length", default=128, show_default=True, help="Tokens that the model reads.")
@click.option("--dropout", default=0.1, show_default=True, help="Dropout rate.")
@shared("epochs", default=10, show_default=True)
@shared("batch_size", default=16, show_default=True, help="Blocks of tokens in a batch.")
@shared("learning_rate", default=2e-3, show_default=True)
@shared("seed", "as_json")
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
    """Train a small GPT-2 on your own texts into a preset folder, and compare it with n-grams.

    A tenth of the texts decides when to stop; perplexities are measured on another tenth.
    """
    from tfrec_fusion.text.language_models.causal import GPT2Size, Schedule
    from tfrec_fusion.text.pretraining.pretrain import pretrain, split_texts

    written = written_texts(data, data_dir, csv, columns, file)
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
        print_json({"folder": str(out), **vars(result)})
        return
    click.echo(f"{'model':8} perplexity")
    for name in ("unigram", "bigram"):
        click.echo(f"{name:8} {getattr(result, name):.2f}")
    click.echo(f"{'GPT-2':8} {result.perplexity:.2f}")
    tell(
        f"{out}: {result.parameters:,} parameters, best after epoch {result.best_epoch} of "
        f"{result.epochs}, {result.seconds:.0f} s; use it as a preset, by its path."
    )


@click.command("distil-lm")
@click.argument("student")
@_names_texts
@click.option("--teacher", default="minilm", show_default=True, help=PRESET_HELP)
@shared("out", help="Preset folder to write.")
@click.option("--max-length", default=32, show_default=True, help="Tokens of a text that are read.")
@shared("epochs", default=4, show_default=True)
@shared("batch_size", default=64, show_default=True, help="Texts in a batch.")
@shared("learning_rate", default=2e-3, show_default=True)
@shared("seed", "as_json")
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
    """Train STUDENT, a preset, to find the same texts similar as a larger model does.

    A tenth of the texts decides when to stop; the similarity is measured on another tenth.
    """
    from tfrec_fusion.text.language_models.causal import Schedule
    from tfrec_fusion.text.pretraining.distillation import distil
    from tfrec_fusion.text.pretraining.pretrain import split_texts

    written = written_texts(data, data_dir, csv, columns, file)
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
        print_json({"folder": str(out), **asdict(result)})
        return
    click.echo(f"{'of the teacher':15} correlation nearest")
    for name, one in (("before", result.before), ("after", result.after)):
        click.echo(f"{name:15} {one.correlation:11.3f} {one.nearest:7.3f}")
    tell(f"{out}: {result.seconds:.0f} s; use it as a preset, by its path.")
