"""The commands about exported models: checking them, choosing which version is served."""

from __future__ import annotations

from pathlib import Path

import click

from tfrec_fusion.zoo.cli.printing import print_json
from tfrec_fusion.zoo.cli.shared_options import folder_argument, shared


@click.command()
@folder_argument
@shared("allow_unsafe_ops", "as_json")
def verify(folder: Path, allow_unsafe_ops: bool, as_json: bool) -> None:
    """Check every version in FOLDER, such as savedmodels/NAME, as its server would load it."""
    from tfrec_fusion.serving.export.folder_check import verify_folder

    found = verify_folder(folder, allow_unsafe_ops=allow_unsafe_ops)
    if as_json:
        print_json({"folder": str(folder), "versions": [vars(one) for one in found]})
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
@folder_argument
@click.option("--version", type=click.IntRange(1), help="The newest by default.")
def promote(folder: Path, version: int | None) -> None:
    """Label a version of FOLDER `stable`."""
    from tfrec_fusion.serving.export.bundle import promote as promote_version

    chosen = promote_version(folder, version)
    click.echo(f"{folder}: version {chosen} is stable.")
