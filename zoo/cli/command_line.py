"""The command line, `tfrec-zoo` or `python -m tfrec_fusion.zoo`."""

from __future__ import annotations

import json
import logging
import sys
from dataclasses import asdict
from pathlib import Path

import click

from tfrec_fusion.data.sources.reading import read_tables
from tfrec_fusion.evaluation.report import print_table
from tfrec_fusion.zoo.answers.printable import printable
from tfrec_fusion.zoo.cli.data_options import reads_tables
from tfrec_fusion.zoo.cli.demo import run_demo
from tfrec_fusion.zoo.cli.ensemble import ensemble
from tfrec_fusion.zoo.cli.explain import explain
from tfrec_fusion.zoo.cli.export import export, promote, verify
from tfrec_fusion.zoo.cli.prebuilt import fine_tune, publish, reproduce
from tfrec_fusion.zoo.cli.recommend import recommend, similar
from tfrec_fusion.zoo.cli.serve import serve
from tfrec_fusion.zoo.cli.terminal import Commands, terminal
from tfrec_fusion.zoo.cli.text import (
    distil_lm,
    pretrain_lm,
    search,
)
from tfrec_fusion.zoo.cli.train import train
from tfrec_fusion.zoo.prebuilt.load import open_run
from tfrec_fusion.zoo.registry import specs
from tfrec_fusion.zoo.runs.comparison import shown_metrics
from tfrec_fusion.zoo.runs.measurement import evaluated


def tell(line: str) -> None:
    """Tells people, on stderr: stdout is for results."""
    click.echo(line, err=True)


as_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
run_folder = click.argument("run", type=click.Path(path_type=Path))


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="tfrec-fusion")
def cli() -> None:
    """Recommenders from raw tables to a served model."""
    logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stderr)


@cli.command("list")
@click.option("--pretrained", is_flag=True, help="Instead, the trained models of the package.")
@as_json
def list_command(pretrained: bool, as_json: bool) -> None:
    """List the models and what each is."""
    if pretrained:
        from tfrec_fusion.zoo.prebuilt.listing import list_models

        table = list_models(pretrained=True)
        records = table.astype(object).where(table.notna(), None).to_dict("records")
        click.echo(json.dumps({"models": records}) if as_json else table.to_string(index=False))
        return
    if as_json:
        rows = [
            {"name": name, "summary": spec.summary, "parameters": spec.choices_of({})}
            for name, spec in specs().items()
        ]
        click.echo(json.dumps({"models": rows}))
        return
    width = max(map(len, specs()))
    for name, spec in specs().items():
        click.echo(f"{name:{width}} {spec.summary}")


@cli.command()
@run_folder
@click.option("--allow-seen", is_flag=True, help="Rank items already seen too; as RUN by default.")
@as_json
def evaluate(run: Path, allow_seen: bool, as_json: bool) -> None:
    """Measure the lists of a run on its test part again."""
    answer, row = evaluated(open_run(run), allow_seen)
    if as_json:
        click.echo(json.dumps(answer))
        return
    for note in answer["notes"]:
        tell(note)
    print_table([row], shown_metrics([row], row.model))


@cli.command()
@click.option("--out", default="runs/demo", show_default=True, type=click.Path(path_type=Path))
@reads_tables(default="movielens-100k", show_default=True)
@click.option("--positive-from", type=click.FLOAT, help="Drop events rated lower.")
@click.option("--user-id", default="196", show_default=True, help="Who asks at the end.")
@as_json
def demo(
    out: Path,
    data: str,
    data_dir: Path | None,
    csv: dict[str, str],
    positive_from: float | None,
    user_id: str,
    as_json: bool,
) -> None:
    """Train classics and neural models, compare, export the best one, and ask it."""
    tables = read_tables(data, data_dir, **csv).positives(positive_from, tell)
    shown = run_demo(tables, out, user_id=user_id, say=tell)
    if as_json:
        answer = {"rows": [asdict(row) for row in shown.rows], "best": shown.best}
        answer |= {"export": str(shown.export), "user_id": user_id, "items": shown.items}
        click.echo(json.dumps(answer, ensure_ascii=False))
        return
    print_table(shown.rows, shown_metrics(shown.rows, ""), title=f"{data}, test part")
    click.echo(f"What should user {user_id} watch? {shown.best} says:")
    for rank, item in enumerate(shown.items, 1):
        click.echo(f"{rank:3}. {printable(item['title'])}")


cli.add_command(distil_lm)
cli.add_command(ensemble)
cli.add_command(explain)
cli.add_command(export)
cli.add_command(fine_tune)
cli.add_command(promote)
cli.add_command(publish)
cli.add_command(recommend)
cli.add_command(reproduce)
cli.add_command(verify)
cli.add_command(search)
cli.add_command(serve)
cli.add_command(similar)
cli.add_command(train)
cli.add_command(pretrain_lm)


def main() -> None:
    """Entry point of the console command `tfrec-zoo`."""
    with terminal():
        cli(prog_name="tfrec-zoo")


if __name__ == "__main__":
    main()
