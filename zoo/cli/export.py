"""The commands that write SavedModels and look whether they are what they should be."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import get_args

import click

from tfrec_fusion.serving.export.bundle import promote as promote_version
from tfrec_fusion.serving.export.folder_check import verify_folder
from tfrec_fusion.serving.index.inverted_file import Precision
from tfrec_fusion.serving.index.recommenders_index import PACKAGES, PROCESS, Kind, has_its_keras
from tfrec_fusion.zoo.prebuilt.load import open_run

_LOGGED = re.compile(r"[IW]0000 |WARNING: All log messages before")  # what ScaNN tells about itself


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.option(
    "--to", "folder", required=True, type=click.Path(path_type=Path), help="Model folder."
)
@click.option(
    "-k",
    "page_sizes",
    multiple=True,
    default=(10,),
    show_default=True,
    help="How many items are answered; repeated: recommend_10, recommend_100.",
)
@click.option("--version", type=click.IntRange(1), help="One more than the latest by default.")
@click.option(
    "--with-texts/--without-texts",
    default=None,
    help="Put the language model in, for search and new items; by default where it is read.",
)
@click.option(
    "--index",
    type=click.Choice((*get_args(Precision), *get_args(Kind))),
    help="Look through some of the items, their vectors in these numbers, or by an index of "
    "TensorFlow Recommenders, scann for servers built with it; by default all.",
)
@click.option("--recall-floor", default=0.95, show_default=True, help="Least recall of an index.")
@click.option("--half", is_flag=True, help="Keep item tables in 16 bits: a smaller export.")
@click.option(
    "--without-users",
    is_flag=True,
    help="Leave users' ids, histories and vectors out: histories come with the requests.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def export(
    run: Path,
    folder: Path,
    page_sizes: tuple[int, ...],
    version: int | None,
    with_texts: bool | None,
    index: Precision | Kind | None,
    recall_floor: float,
    half: bool,
    without_users: bool,
    as_json: bool,
) -> None:
    """Write a SavedModel for TensorFlow Serving and check it in a clean process."""
    if index in get_args(Kind) and not has_its_keras():
        sys.exit(_again_in_a_process_of_its_own())
    # TF Text and KerasHub take seconds to import: other commands need not wait for them.
    from tfrec_fusion.zoo.exports.export_run import export_run

    report = export_run(
        open_run(run),
        folder,
        page_sizes=page_sizes,
        version=version,
        with_texts=with_texts,
        index=index,
        recall_floor=recall_floor,
        half=half,
        without_users=without_users,
        say=lambda line: click.echo(line, err=True),
    )
    if as_json:
        answer = {"path": str(report.path), "version": report.version}
        answer |= {"signatures": report.signatures, "size_bytes": report.size_bytes}
        click.echo(json.dumps(answer | {"max_abs_difference": report.max_abs_difference}))
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
        env={**os.environ, **PROCESS},
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    for line in process.stderr:
        if not _LOGGED.match(line):
            click.echo(line, err=True, nl=False)
    return process.wait()


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option(
    "--allow-unsafe-ops",
    is_flag=True,
    help="Run also what may read, write or send files, with your rights.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def verify(folder: Path, allow_unsafe_ops: bool, as_json: bool) -> None:
    """Check every version in FOLDER, such as savedmodels/NAME, as its server would meet it."""
    found = verify_folder(folder, allow_unsafe_ops=allow_unsafe_ops)
    if as_json:
        click.echo(json.dumps({"folder": str(folder), "versions": [vars(one) for one in found]}))
        return
    for one in found:
        labels = f" ({', '.join(one.labels)})" if one.labels else ""
        server = " It needs a server that is built with ScaNN." if one.scann else ""
        click.echo(
            f"{folder}/{one.version}{labels}: {len(one.signatures)} signatures; {one.records} "
            f"warm-up records answered within {one.max_abs_difference:.1e} of the model's answers."
            f"{server}"
        )
        for effect in one.effects:
            click.echo(f"{folder}/{one.version} does more than compute: {effect}.")


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--version", type=click.IntRange(1), help="The newest by default.")
def promote(folder: Path, version: int | None) -> None:
    """Label a version of FOLDER `stable`."""
    chosen = promote_version(folder, version)
    click.echo(f"{folder}: version {chosen} is stable.")
