"""Commands about prebuilt models: which there are, making one, training one again."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path
from typing import Any

import click

from tfrec_fusion.data.sources.reading import read_tables
from tfrec_fusion.evaluation.report import ReportRow, print_table
from tfrec_fusion.zoo.cli.data_options import reads_files, reads_tables
from tfrec_fusion.zoo.prebuilt.load import open_run
from tfrec_fusion.zoo.prebuilt.publishing import publish as publish_runs
from tfrec_fusion.zoo.prebuilt.reproducing import reproduce as reproduce_card
from tfrec_fusion.zoo.runs.comparison import shown_metrics
from tfrec_fusion.zoo.runs.fine_tuning import fine_tune as fine_tune_run


@click.command()
@click.argument("name")
@click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--beside", multiple=True, type=click.Path(path_type=Path), help="Run of a classic; repeat."
)
@click.option("--summary", "text", required=True, help="What the model is, a sentence.")
@click.option("--limit", "limits", multiple=True, help="What is to be known of it; repeat.")
@click.option(
    "--folder", help="Of zoo/prebuilt/weights, shared with models of the same data; the tag."
)
@click.option(
    "--with-events", is_flag=True, help="Pack the users' ids and events without a question."
)
def publish(
    name: str,
    runs: tuple[Path, ...],
    beside: tuple[Path, ...],
    text: str,
    limits: tuple[str, ...],
    folder: str | None,
    with_events: bool,
) -> None:
    """Make RUNS, which differ in their seeds, the prebuilt model NAME, such as ease.my_films.

    The weights of the first run are kept in half precision, beside a card with the numbers of all.
    """
    chosen: Any = {"limits": limits, "folder": folder, "include_events": with_events}
    publish_runs(name, runs, beside, text=text, ask=_agreed, say=_tell, **chosen)


@click.command()
@click.argument("name")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder of its runs.")
@reads_files
@click.option("--seed", default=0, show_default=True, help="Seed of everything drawn.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def reproduce(
    name: str, out: Path, data_dir: Path | None, csv: dict[str, str], seed: int, as_json: bool
) -> None:
    """Train prebuilt model NAME again as its card says, and compare its numbers with the card's."""
    found = reproduce_card(name, out, data_dir=data_dir, csv=csv, seed=seed, say=_tell)
    if as_json:
        click.echo(json.dumps(found.as_dict()))
    else:
        print_table(found.rows(), tuple(found.metrics), title=name)
        click.echo(f"{name}: NDCG@10 is {'within' if found.agrees else 'OUTSIDE'} the interval.")
    if not found.agrees:
        raise SystemExit(1)


@click.command("fine-tune")
@click.argument("start")
@reads_tables(required=True, help="A folder of your own tables.")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Run folder.")
@click.option("--seed", default=0, show_default=True, help="Seed of everything drawn.")
@click.option("--epochs", type=click.IntRange(1), help="At most this many.")
@click.option("--batch-size", type=click.IntRange(1), help="The recipe's by default.")
@click.option("--learning-rate", type=click.FLOAT, help="The recipe's by default.")
@click.option("--refit/--no-refit", default=True, help="Train again on train and validation.")
@click.option(
    "--allow-seen", is_flag=True, help="Rank items already seen too; as START by default."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def fine_tune(
    start: str,
    data: str,
    data_dir: Path | None,
    csv: dict[str, str],
    out: Path,
    as_json: bool,
    **chosen: Any,
) -> None:
    """Go on from START, a prebuilt model or a run, with your own users, items and events."""
    made = fine_tune_run(
        open_run(start),
        read_tables(data, data_dir, **csv),
        out,
        progress=not as_json,
        **chosen,
        command=shlex.join(["tfrec-zoo", *sys.argv[1:]]),
        say=_tell,
    )
    if as_json:
        click.echo(json.dumps({"run": str(out), **made.info}))
        return
    rows = [ReportRow(**row) for row in made.info["rows"]]
    print_table(rows, shown_metrics(rows, made.info["model"]))


def _agreed(packed: str) -> bool:
    """Asks on a terminal whether people's events may be packed; elsewhere nobody says so."""
    if not _on_a_terminal():
        return False
    return click.confirm(f"The package will hold {packed}. Pack them?", default=False, err=True)


def _on_a_terminal() -> bool:
    return sys.stdin.isatty()


def _tell(line: str) -> None:
    click.echo(line, err=True)
