"""The command that trains a model: `train MODEL`, its options made from the model's spec."""

from __future__ import annotations

import difflib
import json
import shlex
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any

import click

from tfrec_fusion.zoo.cli.data_options import reads_tables
from tfrec_fusion.zoo.cli.model_options import options_of_fields
from tfrec_fusion.zoo.registry import specs
from tfrec_fusion.zoo.runs.train_options import TrainOptions
from tfrec_fusion.zoo.spec import ModelSpec, options_of

OF_BASELINES = ("split", "seed", "allow_seen", "positive_from", "production")


class Models(click.Group):
    """A group whose commands are the registered models."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The models, baselines first."""
        return list(specs())

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of a model, also by a name of an earlier version."""
        for spec in specs().values():
            if cmd_name in (spec.name, *spec.former_names):
                return _command(spec)
        return None

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        """Finds the command of a model; an unknown one is answered with the valid ones."""
        if args and self.get_command(ctx, args[0]) is None:
            known = self.list_commands(ctx)
            close = difflib.get_close_matches(args[0], known, n=1)
            meant = f" Did you mean {close[0]}?" if close else ""
            ctx.fail(f"MODEL must be one of {', '.join(known)}. Received: {args[0]!r}.{meant}")
        return super().resolve_command(ctx, args)


@click.group("train", cls=Models, subcommand_metavar="MODEL [OPTIONS]")
def train() -> None:
    """Train MODEL into a run folder and measure it. See `train MODEL --help`."""


def _command(spec: ModelSpec) -> click.Command:
    """`train NAME`, with the model's own options."""
    general = options_of(TrainOptions)
    if spec.is_baseline:
        general = [one for one in general if one.name in OF_BASELINES]

    @reads_tables(required=True)
    @click.option("--out", required=True, type=click.Path(path_type=Path), help="Run folder.")
    @click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
    def run(
        data: str,
        out: Path,
        data_dir: Path | None,
        csv: dict[str, str],
        as_json: bool,
        **chosen: Any,
    ) -> None:
        _train(spec.name, data, data_dir, csv, out, as_json, chosen)

    command: click.Command = click.command(
        spec.name, help=f"Train {spec.name}: {spec.summary}.", short_help=f"{spec.summary}."
    )(run)
    own = options_of_fields([*spec.config_options, *spec.training_options], spec.default)
    command.params += own + options_of_fields(general, lambda one: one.default)
    return command


def _train(
    name: str,
    data: str,
    data_dir: Path | None,
    csv: dict[str, str],
    out: Path,
    as_json: bool,
    chosen: dict[str, Any],
) -> None:
    from tfrec_fusion.data.sources.reading import read_tables
    from tfrec_fusion.evaluation.report import ReportRow, print_table
    from tfrec_fusion.zoo.runs.comparison import shown_metrics
    from tfrec_fusion.zoo.runs.train import train

    run = train(
        name,
        read_tables(data, data_dir, **csv),
        out,
        command=shlex.join(["tfrec-zoo", *sys.argv[1:]]),
        say=lambda line: click.echo(line, err=True),
        progress=not as_json,
        **_given(chosen),
    )
    if as_json:
        click.echo(json.dumps({"run": str(out), **run.info}))
        return
    rows = [ReportRow(**row) for row in run.info["rows"]]
    print_table(rows, shown_metrics(rows, name))
    click.echo(
        f"{out}: report.html shows the numbers; `recommend {out} --user-id ID` asks.", err=True
    )


def _given(chosen: dict[str, Any]) -> dict[str, Any]:
    """The options without those of training that a baseline does not have and that are unset."""
    general = {one.name for one in fields(TrainOptions)}
    return {key: one for key, one in chosen.items() if one is not None or key not in general}
