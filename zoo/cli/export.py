"""The command that writes a SavedModel and checks it."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import get_args

import click

from tfrec_fusion.serving.index.kinds import PACKAGES, PROCESS, Kind, Precision, has_its_keras
from tfrec_fusion.zoo.cli.plugins import plugins_variable
from tfrec_fusion.zoo.cli.printing import print_json, tell
from tfrec_fusion.zoo.cli.shared_options import run_argument, shared

_LOGGED = re.compile(r"[IW]0000 |WARNING: All log messages before")  # ScaNN's own messages


@click.command()
@run_argument
@click.option(
    "--to",
    "folder",
    required=True,
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    help="Model folder; each export is a new version in it.",
)
@shared(
    "k",
    multiple=True,
    default=(10,),
    help="Number of items in an answer; repeated, for several signatures such as recommend_100.",
)
@click.option("--version", type=click.IntRange(1), help="By default one more than the latest.")
@click.option(
    "--with-texts/--without-texts",
    default=None,
    help="Whether the language model is part of the export, for text queries and new items; by "
    "default where the model reads texts.",
)
@click.option(
    "--index",
    type=click.Choice((*get_args(Precision), *get_args(Kind))),
    help="Search an index instead of all items: one whose vectors are of these numbers, or one of "
    "TensorFlow Recommenders (scann needs a server that is built with it).",
)
@click.option(
    "--recall-floor",
    default=0.95,
    show_default=True,
    help="Least recall of an index, compared with a search of all items.",
)
@click.option("--half", is_flag=True, help="Store item tables in 16 bits: a smaller export.")
@click.option(
    "--without-users",
    is_flag=True,
    help="Omit users' ids, histories and vectors: histories come with the requests.",
)
@shared("as_json")
def export(
    run: Path,
    folder: Path,
    k: tuple[int, ...],
    version: int | None,
    with_texts: bool | None,
    index: Precision | Kind | None,
    recall_floor: float,
    half: bool,
    without_users: bool,
    as_json: bool,
) -> None:
    """Write RUN as a SavedModel for TensorFlow Serving, and check it in a clean process."""
    if index in get_args(Kind) and not has_its_keras():
        sys.exit(_again_in_a_process_of_its_own())
    from tfrec_fusion.zoo.exports.export_run import export_run
    from tfrec_fusion.zoo.prebuilt.load import open_run

    report = export_run(
        open_run(run),
        folder,
        page_sizes=k,
        version=version,
        with_texts=with_texts,
        index=index,
        recall_floor=recall_floor,
        half=half,
        without_users=without_users,
        say=tell,
    )
    if as_json:
        answer = {"path": str(report.path), "version": report.version}
        answer |= {"signatures": report.signatures, "size_bytes": report.size_bytes}
        print_json(answer | {"max_abs_difference": report.max_abs_difference})
        return
    click.echo(
        f"{report.path}: {', '.join(report.signatures)}; {report.size_bytes / 2**20:.1f} MiB; "
        f"answers in a clean process differ by at most {report.max_abs_difference:.1e}."
    )


def _again_in_a_process_of_its_own() -> int:
    """Runs the same command where TensorFlow Recommenders finds its Keras; the exit code."""
    if missing := [name for name in PACKAGES if importlib.util.find_spec(name) is None]:
        raise click.UsageError(
            f'This index needs {", ".join(missing)}, for Linux: pip install "tfrec-fusion[scann]".'
        )
    context = click.get_current_context()
    given = []
    for parameter in context.command.params:
        value = context.params[parameter.name or ""]
        if isinstance(parameter, click.Argument):
            given.append(str(value))
        elif isinstance(value, bool):
            names = parameter.opts if value else parameter.secondary_opts
            given += names[:1]
        elif value is not None:
            for one in value if parameter.multiple else (value,):
                given += [parameter.opts[0], str(one)]
    process = subprocess.Popen(
        [sys.executable, "-m", "tfrec_fusion.zoo", "export", *given],
        env={**os.environ, **PROCESS, **plugins_variable()},
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    for line in process.stderr:
        if not _LOGGED.match(line):
            click.echo(line, err=True, nl=False)
    return process.wait()
