"""The command that makes an ensemble of finished runs."""

from __future__ import annotations

from pathlib import Path

import click

from tfrec_fusion.zoo.cli.names import RunName
from tfrec_fusion.zoo.cli.printing import print_run, tell
from tfrec_fusion.zoo.cli.shared_options import shared
from tfrec_fusion.zoo.cli.terminal import typed_command

SCALES = ("scores", "ranks")  # of `layers.ensemble.SCALES`, which is slow to import


@click.command()
@click.argument("runs", nargs=-1, type=RunName())
@shared("out")
@click.option(
    "--scale",
    type=click.Choice(SCALES),
    help="Add standard scores or reciprocal ranks; by default the better one on validation.",
)
@shared(
    "allow_seen",
    is_flag=True,
    default=False,
    help="Refuse members that were measured without items already seen.",
)
@shared("as_json")
def ensemble(
    runs: tuple[Path, ...], out: Path, scale: str | None, allow_seen: bool, as_json: bool
) -> None:
    """Combine RUNS over the same data, weights chosen on validation, into a run like any other."""
    from tfrec_fusion.zoo.runs.ensembling import train_ensemble

    made = train_ensemble(
        runs, out, scale=scale, allow_seen=allow_seen, command=typed_command(), say=tell
    )
    print_run(out, made.info, as_json)
    if not as_json:
        parts = ", ".join(f"{name} {weight:.2f}" for name, weight in made.info["weights"].items())
        tell(f"{out}: {made.info['scale']} of {parts}.")
