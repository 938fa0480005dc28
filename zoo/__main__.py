"""The command line, `python -m zoo` or `tfrec-zoo`."""

from __future__ import annotations

import json
import logging
import os
import shlex
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import click

import zoo
from tfrec_fusion.data.reading import read_tables
from tfrec_fusion.data.sources import SOURCES
from tfrec_fusion.data.split import SPLITS
from tfrec_fusion.errors import UserError
from tfrec_fusion.evaluation.report import ReportRow, print_table
from tfrec_fusion.layers.multitask import BALANCES
from zoo.commands_ensemble import ensemble
from zoo.commands_explain import explain
from zoo.commands_export import export, promote, verify
from zoo.commands_prebuilt import fine_tune, publish, reproduce
from zoo.commands_serve import serve
from zoo.commands_text import (
    LENGTH_HELP,
    PRESET_HELP,
    distil_lm,
    pretrain_lm,
    search,
    text_columns,
)
from zoo.comparison import SHOWN_METRICS, shown_metrics
from zoo.demo import run_demo
from zoo.model_options import Weight, model_options
from zoo.prebuilt import open_run
from zoo.ranking import ranking_of
from zoo.train import train
from zoo.train_options import TrainOptions


class Refusal(click.ClickException):
    """One clear message on stderr and exit code 2."""

    exit_code = 2


class Zoo(click.Group):
    """A group that turns the errors a user can cause into a `Refusal`."""

    def invoke(self, ctx: click.Context) -> Any:
        """Runs the command."""
        try:
            return super().invoke(ctx)
        except (UserError, OSError) as error:
            raise Refusal(str(error)) from error


def tell(line: str) -> None:
    """Tells people, on stderr: stdout is for results."""
    click.echo(line, err=True)


as_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
run_folder = click.argument("run", type=click.Path(path_type=Path))
top_k = click.option("-k", default=10, show_default=True, help="How many items.")


@click.group(cls=Zoo, context_settings={"help_option_names": ["-h", "--help"]})
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
        table = zoo.list_models(pretrained=True)
        records = table.to_dict("records")
        click.echo(json.dumps({"models": records}) if as_json else table.to_string(index=False))
        return
    if as_json:
        rows = [
            {
                "name": name,
                "summary": zoo.SUMMARIES[name],
                "parameters": {one.name: one.default for one in zoo.hyperparameters(name)},
            }
            for name in zoo.list_models()
        ]
        click.echo(json.dumps({"models": rows}))
        return
    width = max(map(len, zoo.list_models()))
    for name in zoo.list_models():
        click.echo(f"{name:{width}} {zoo.SUMMARIES[name]}")


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
    network = name in zoo.NETWORKS
    common = [
        click.option("--data", required=True, help=f"{', '.join(SOURCES)}, or a folder."),
        click.option("--out", required=True, type=click.Path(path_type=Path), help="Run folder."),
        click.option(
            "--data-dir", type=click.Path(path_type=Path), help="Local copy of a public data set."
        ),
        click.option("--split", type=click.Choice(list(SPLITS)), default="temporal"),
        click.option("--seed", default=0, show_default=True, help="Seed of everything drawn."),
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
    if name == "neumf" or name in zoo.HYBRIDS:
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
    if name in zoo.READS_TEXT:
        training += [
            click.option("--text-preset", default="minilm", show_default=True, help=PRESET_HELP),
            click.option("--text-length", type=click.IntRange(1), help=LENGTH_HELP),
        ]
    if name in zoo.HYBRIDS:
        training += [
            click.option("--offer-new-items", is_flag=True, help="Lift items without an event."),
        ]
    if name in zoo.HAS_TASKS:
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
        training.append(
            click.option("--item-features", multiple=True, help="Catalogue column, e.g. genres.")
        )

    def command(data: str, out: Path, data_dir: Path | None, as_json: bool, **chosen: Any) -> None:
        own = {one.name for one in zoo.hyperparameters(name)}
        hyperparameters = {key: chosen.pop(key) for key in list(chosen) if key in own}
        run = train(
            name,
            read_tables(data, data_dir),
            out,
            options=TrainOptions(progress=not as_json, **chosen),
            hyperparameters=hyperparameters,
            command=shlex.join(["python", "-m", "zoo", *sys.argv[1:]]),
            say=tell,
        )
        if as_json:
            click.echo(json.dumps({"run": str(out), **run.info}))
            return
        rows = [ReportRow(**row) for row in run.info["rows"]]
        print_table(rows, shown_metrics(rows, name))
        tell(f"{out}: report.html shows the numbers; `recommend {out} --user-id ID` asks.")

    command.__doc__ = f"Train {name}: {zoo.SUMMARIES[name]}."
    decorated: Callable[..., Any] = model_options(zoo.hyperparameters(name))(command)
    reads = [text_columns] if name in (*zoo.READS_TEXT, "tfidf") else []
    for option in reversed([*common, *reads, *(training if network else [])]):
        decorated = option(decorated)
    train_group.command(name)(decorated)


for _name in zoo.list_models():
    _add_train_command(_name)


@cli.command()
@run_folder
@as_json
def evaluate(run: Path, as_json: bool) -> None:
    """Measure a run on its test part again."""
    loaded = open_run(run)
    result = ranking_of(loaded.model, loaded.known_at_test, loaded.parts["test"])()
    if as_json:
        answer = {"model": loaded.info["model"], "test": result.metrics}
        click.echo(json.dumps(answer | {"test_intervals": result.intervals}))
        return
    print_table([ReportRow(loaded.info["model"], result.metrics, result.intervals)], SHOWN_METRICS)


@cli.command()
@run_folder
@click.option("--user-id", help="Any id; a new one is offered what is popular.")
@click.option("--history", help="Instead: item ids somebody took, oldest first, e.g. 1,50,181.")
@click.option("--why", is_flag=True, help="Also what the user cares about and the item has.")
@top_k
@as_json
def recommend(
    run: Path, user_id: str | None, history: str | None, why: bool, k: int, as_json: bool
) -> None:
    """Items for a user, or for a history, none that they know already."""
    if (user_id is None) == (history is None) or (why and history):
        raise click.UsageError("Give --user-id, with or without --why, or --history.")
    recommender = open_run(run).recommender
    if history is not None:
        table = recommender.recommend_from_history(history.split(","), k)
        _print_items(table, {"history": history}, as_json)
        return
    asked = str(user_id)
    if asked not in recommender.users:
        tell(f"User {asked!r} was never seen: these are popular items.")
    table = recommender.recommend(asked, k)
    if why:
        found = [recommender.reasons(asked, item) for item in table["item_id"]]
        table["why"] = [[phrase.text for phrase in phrases] for phrases in found]
    _print_items(table, {"user_id": asked}, as_json)


@cli.command()
@run_folder
@click.option("--item-id", required=True, help="An item of the catalogue.")
@top_k
@as_json
def similar(run: Path, item_id: str, k: int, as_json: bool) -> None:
    """Items like an item."""
    _print_items(open_run(run).recommender.similar(item_id, k), {"item_id": item_id}, as_json)


def _print_items(table: Any, asked: dict[str, str], as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps({**asked, "items": table.to_dict("records")}, ensure_ascii=False))
        return
    for rank, row in enumerate(table.itertuples(), 1):
        why = f"  because of: {', '.join(row.why)}" if getattr(row, "why", None) else ""
        click.echo(f"{rank:3}. {row.title}  [{row.item_id}]  {row.score:.3f}{why}")


@cli.command()
@click.option("--out", default="runs/demo", show_default=True, type=click.Path(path_type=Path))
@click.option("--data", default="movielens-100k", show_default=True)
@click.option("--data-dir", type=click.Path(path_type=Path), help="Local copy of the data set.")
@click.option("--user-id", default="196", show_default=True, help="Who asks at the end.")
@as_json
def demo(out: Path, data: str, data_dir: Path | None, user_id: str, as_json: bool) -> None:
    """Train classics and neural models, compare, export the best one, and ask it."""
    shown = run_demo(read_tables(data, data_dir), out, user_id=user_id, say=tell)
    if as_json:
        answer = {"rows": [asdict(row) for row in shown.rows], "best": shown.best}
        answer |= {"export": str(shown.export), "user_id": user_id, "items": shown.items}
        click.echo(json.dumps(answer, ensure_ascii=False))
        return
    print_table(shown.rows, SHOWN_METRICS, title=f"{data}, test part")
    click.echo(f"What should user {user_id} watch? {shown.best} says:")
    for rank, item in enumerate(shown.items, 1):
        click.echo(f"{rank:3}. {item['title']}")


cli.add_command(distil_lm)
cli.add_command(ensemble)
cli.add_command(explain)
cli.add_command(export)
cli.add_command(fine_tune)
cli.add_command(promote)
cli.add_command(publish)
cli.add_command(reproduce)
cli.add_command(verify)
cli.add_command(search)
cli.add_command(serve)
cli.add_command(pretrain_lm)


def main() -> None:
    """Entry point of the console command `tfrec-zoo`."""
    cli(prog_name="tfrec-zoo")


if __name__ == "__main__":
    main()
