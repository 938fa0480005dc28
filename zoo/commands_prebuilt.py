"""Commands about prebuilt models: which there are, making one, training one again."""

from __future__ import annotations

import json
from pathlib import Path

import click

from tfrec_fusion.evaluation.report import print_table
from zoo.publishing import publish as publish_runs
from zoo.reproducing import reproduce as reproduce_card


@click.command()
@click.argument("name")
@click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--beside", multiple=True, type=click.Path(path_type=Path), help="Run of a classic; repeat."
)
@click.option("--summary", "text", required=True, help="What the model is, a sentence.")
@click.option("--limit", "limits", multiple=True, help="What is to be known of it; repeat.")
def publish(
    name: str,
    runs: tuple[Path, ...],
    beside: tuple[Path, ...],
    text: str,
    limits: tuple[str, ...],
) -> None:
    """Make RUNS, which differ in their seeds, the prebuilt model NAME, such as ease.my_films.

    The weights of the first run are kept in half precision, beside a card with the numbers of all.
    """
    publish_runs(name, runs, beside, text=text, limits=limits, say=_tell)


@click.command()
@click.argument("name")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder of its runs.")
@click.option("--data-dir", type=click.Path(path_type=Path), help="Local copy of the data set.")
@click.option("--seed", default=0, show_default=True, help="Seed of everything drawn.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def reproduce(name: str, out: Path, data_dir: Path | None, seed: int, as_json: bool) -> None:
    """Train prebuilt model NAME again as its card says, and compare its numbers with the card's."""
    found = reproduce_card(name, out, data_dir=data_dir, seed=seed, say=_tell)
    if as_json:
        click.echo(json.dumps(found.as_dict()))
    else:
        print_table(found.rows(), tuple(found.metrics), title=name)
        click.echo(f"{name}: NDCG@10 is {'within' if found.agrees else 'OUTSIDE'} the interval.")
    if not found.agrees:
        raise SystemExit(1)


def _tell(line: str) -> None:
    click.echo(line, err=True)
