"""Commands about prebuilt models: making one of runs, training one again."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from tfrec_fusion.zoo.cli.names import PrebuiltName, RunName
from tfrec_fusion.zoo.cli.printing import print_json, tell
from tfrec_fusion.zoo.cli.shared_options import reads_files, shared


@click.command()
@click.argument("name")
@click.argument("runs", nargs=-1, required=True, type=RunName())
@click.option(
    "--beside",
    multiple=True,
    type=RunName(),
    metavar="RUN",
    help="Run of a baseline to compare with; may be repeated.",
)
@click.option("--summary", required=True, help="The model in one sentence.")
@click.option("--limit", "limits", multiple=True, help="A known limit; may be repeated.")
@click.option(
    "--folder",
    help="Folder of zoo/prebuilt/weights, shared with models of the same data; by default the tag.",
)
@click.option("--with-events", is_flag=True, help="Pack the users' ids and events without asking.")
def publish(
    name: str,
    runs: tuple[Path, ...],
    beside: tuple[Path, ...],
    summary: str,
    limits: tuple[str, ...],
    folder: str | None,
    with_events: bool,
) -> None:
    """Make RUNS, which differ in their seeds, the prebuilt model NAME, such as ease.my_films.

    The weights of the first run are stored in half precision, next to a card with the numbers of
    all.
    """
    from tfrec_fusion.zoo.prebuilt.publishing import publish as publish_runs

    chosen: Any = {"limits": limits, "folder": folder, "include_events": with_events}
    publish_runs(name, runs, beside, text=summary, ask=_agreed, say=tell, **chosen)


@click.command()
@click.argument("name", type=PrebuiltName())
@shared("out", help="Folder of its runs.")
@reads_files
@shared("seed", "as_json")
def reproduce(
    name: str, out: Path, data_dir: Path | None, csv: dict[str, str], seed: int, as_json: bool
) -> None:
    """Train the prebuilt model NAME again, and compare its numbers with those of its card.

    The exit code is 1 where NDCG@10 is outside of the card's interval.
    """
    from tfrec_fusion.evaluation.report import print_table
    from tfrec_fusion.zoo.prebuilt.reproducing import reproduce as reproduce_card

    found = reproduce_card(name, out, data_dir=data_dir, csv=csv, seed=seed, say=tell)
    if as_json:
        print_json(found.as_dict())
    else:
        print_table(found.rows(), tuple(found.metrics), title=name)
        click.echo(f"{name}: NDCG@10 is {'within' if found.agrees else 'OUTSIDE'} the interval.")
    if not found.agrees:
        raise SystemExit(1)


def _agreed(packed: str) -> bool:
    """Asks on a terminal whether users' events may be packed; elsewhere the answer is no."""
    if not _on_a_terminal():
        return False
    return click.confirm(f"The package will hold {packed}. Pack them?", default=False, err=True)


def _on_a_terminal() -> bool:
    return sys.stdin.isatty()
