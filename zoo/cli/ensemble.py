"""The command that makes an ensemble of finished runs."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path

import click

from tfrec_fusion.evaluation.report import ReportRow, print_table
from tfrec_fusion.layers.ensemble import SCALES
from tfrec_fusion.zoo.runs.comparison import shown_metrics
from tfrec_fusion.zoo.runs.ensembling import train_ensemble


@click.command()
@click.argument("runs", nargs=-1, type=click.Path(path_type=Path))
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Run folder.")
@click.option(
    "--scale",
    type=click.Choice(SCALES),
    help="Add standard scores or reciprocal ranks; the better one on validation by default.",
)
@click.option("--allow-seen", is_flag=True, help="Only of members that rank items already seen.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def ensemble(
    runs: tuple[Path, ...], out: Path, scale: str | None, allow_seen: bool, as_json: bool
) -> None:
    """Combine RUNS over the same data, weights chosen on validation, into a run like any other."""
    made = train_ensemble(
        runs,
        out,
        scale=scale,
        allow_seen=allow_seen,
        command=shlex.join(["tfrec-zoo", *sys.argv[1:]]),
        say=lambda line: click.echo(line, err=True),
    )
    if as_json:
        click.echo(json.dumps({"run": str(out), **made.info}))
        return
    rows = [ReportRow(**row) for row in made.info["rows"]]
    print_table(rows, shown_metrics(rows, "ensemble"))
    parts = ", ".join(f"{name} {weight:.2f}" for name, weight in made.info["weights"].items())
    click.echo(f"{out}: {made.info['scale']} of {parts}.", err=True)
