"""The command line, `tfrec-zoo` or `tfrec-zoo`."""

from __future__ import annotations

import json
import logging
import shlex
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from tfrec_fusion.data.sources.reading import read_tables
from tfrec_fusion.data.split import SPLITS
from tfrec_fusion.evaluation.report import ReportRow, print_table
from tfrec_fusion.layers.multitask import BALANCES
from tfrec_fusion.zoo import registry
from tfrec_fusion.zoo.answers.printable import printable
from tfrec_fusion.zoo.cli.data_options import reads_tables
from tfrec_fusion.zoo.cli.demo import run_demo
from tfrec_fusion.zoo.cli.ensemble import ensemble
from tfrec_fusion.zoo.cli.explain import explain
from tfrec_fusion.zoo.cli.export import export, promote, verify
from tfrec_fusion.zoo.cli.model_options import Weight, model_options
from tfrec_fusion.zoo.cli.prebuilt import fine_tune, publish, reproduce
from tfrec_fusion.zoo.cli.recommend import recommend, similar
from tfrec_fusion.zoo.cli.serve import serve
from tfrec_fusion.zoo.cli.terminal import Commands, terminal
from tfrec_fusion.zoo.cli.text import (
    LENGTH_HELP,
    PRESET_HELP,
    distil_lm,
    pretrain_lm,
    search,
    text_columns,
)
from tfrec_fusion.zoo.prebuilt.load import open_run
from tfrec_fusion.zoo.runs.comparison import shown_metrics
from tfrec_fusion.zoo.runs.measurement import evaluated
from tfrec_fusion.zoo.runs.train import train
from tfrec_fusion.zoo.runs.train_options import TrainOptions


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
            {
                "name": name,
                "summary": registry.SUMMARIES[name],
                "parameters": {one.name: one.default for one in registry.hyperparameters(name)},
            }
            for name in registry.list_models()
        ]
        click.echo(json.dumps({"models": rows}))
        return
    width = max(map(len, registry.list_models()))
    for name in registry.list_models():
        click.echo(f"{name:{width}} {registry.SUMMARIES[name]}")


class ModelGroup(click.Group):
    """A group whose commands are models; an unknown one is answered with the valid ones."""

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        """Finds the command of a model."""
        if args and args[0] not in self.commands:
            ctx.fail(f"MODEL must be one of {', '.join(self.commands)}. Received: {args[0]!r}.")
        return super().resolve_command(ctx, args)


@cli.group("train", cls=ModelGroup, subcommand_metavar="MODEL [OPTIONS]")
def train_group() -> None:
    """Train MODEL into a run folder and measure it. See `train MODEL --help`."""


def _add_train_command(name: str) -> None:
    """Adds `train NAME`, with the model's hyperparameters as options."""
    network = name in registry.NETWORKS
    common = [
        reads_tables(required=True),
        click.option("--out", required=True, type=click.Path(path_type=Path), help="Run folder."),
        click.option(
            "--positive-from",
            type=click.FLOAT,
            help="Drop events rated lower; without it every event counts as positive.",
        ),
        click.option("--split", type=click.Choice(list(SPLITS)), default="temporal"),
        click.option("--seed", default=0, show_default=True, help="Seed of everything drawn."),
        click.option("--allow-seen", is_flag=True, help="Rank items that a user has already, too."),
        as_json,
    ]
    training = [
        click.option("--epochs", type=click.IntRange(1), help="At most this many."),
        click.option("--batch-size", type=click.IntRange(1), help="The recipe's by default."),
        click.option("--learning-rate", type=click.FLOAT, help="The recipe's by default."),
        click.option(
            "--refit/--no-refit", default=True, help="Train again on train and validation."
        ),
        click.option("--weight-decay", type=click.FLOAT, help="The recipe's by default."),
        click.option("--label-smoothing", default=0.0, show_default=True, help="From 0 to 1."),
        click.option("--adversarial-epsilon", default=0.0, help="Attack embeddings; 0: do not."),
        click.option("--strategy", type=click.Choice(["none", "mirrored"]), default="none"),
    ]
    if name == "neumf" or name in registry.HYBRIDS:
        start = "GMF and MLP" if name == "neumf" else "the hybrid with a frozen one"
        training.append(
            click.option("--pretrain/--no-pretrain", default=True, help=f"Start from {start}.")
        )
        training.append(
            click.option(
                "--part-epochs",
                type=click.IntRange(1),
                help="At most this many for what --pretrain trains; those of --epochs by default.",
            )
        )
    if name in registry.READS_TEXT:
        training += [
            click.option("--text-preset", default="minilm", show_default=True, help=PRESET_HELP),
            click.option("--text-length", type=click.IntRange(1), help=LENGTH_HELP),
        ]
    if name in registry.HYBRIDS:
        training += [
            click.option("--offer-new-items", is_flag=True, help="Lift items without an event."),
        ]
    if name in registry.HAS_TASKS:
        training += [
            click.option("--balance", type=click.Choice(BALANCES), default="fixed"),
            click.option(
                "--loss-weight",
                "loss_weights",
                multiple=True,
                type=Weight(),
                help="OUTPUT=NUMBER, 1 by default; outputs are logits and the tasks.",
            ),
        ]
    if name == "multi_task":
        training += [
            click.option("--language-model", help="A GPT-2 to go on with, such as pretrain-lm's."),
            click.option("--word-dropout", default=0.0, help="Words of reviews left out."),
            click.option("--span-swap", default=0.0, help="Reviews in which spans swap."),
            click.option("--weigh-scores", is_flag=True, help="Weigh language on validation."),
        ]
    if name == "two_tower":
        training += [
            click.option("--item-features", multiple=True, help="Catalogue column, e.g. genres."),
            click.option("--label-separator", help="What joins labels in it; | by default."),
        ]

    def command(
        data: str,
        out: Path,
        data_dir: Path | None,
        csv: dict[str, str],
        as_json: bool,
        **chosen: Any,
    ) -> None:
        own = {one.name for one in registry.hyperparameters(name)}
        hyperparameters = {key: chosen.pop(key) for key in list(chosen) if key in own}
        run = train(
            name,
            read_tables(data, data_dir, **csv),
            out,
            options=TrainOptions(progress=not as_json, **chosen),
            hyperparameters=hyperparameters,
            command=shlex.join(["tfrec-zoo", *sys.argv[1:]]),
            say=tell,
        )
        if as_json:
            click.echo(json.dumps({"run": str(out), **run.info}))
            return
        rows = [ReportRow(**row) for row in run.info["rows"]]
        print_table(rows, shown_metrics(rows, name))
        tell(f"{out}: report.html shows the numbers; `recommend {out} --user-id ID` asks.")

    command.__doc__ = f"Train {name}: {registry.SUMMARIES[name]}."
    decorated: Callable[..., Any] = model_options(registry.hyperparameters(name))(command)
    reads = [text_columns] if name in (*registry.READS_TEXT, "tfidf") else []
    for option in reversed([*common, *reads, *(training if network else [])]):
        decorated = option(decorated)
    train_group.command(name)(decorated)


for _name in registry.list_models():
    _add_train_command(_name)


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
cli.add_command(pretrain_lm)


def main() -> None:
    """Entry point of the console command `tfrec-zoo`."""
    with terminal():
        cli(prog_name="tfrec-zoo")


if __name__ == "__main__":
    main()
