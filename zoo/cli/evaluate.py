"""The command that measures a run again."""

from __future__ import annotations

from pathlib import Path

import click

from tfrec_fusion.zoo.cli.printing import print_json, tell
from tfrec_fusion.zoo.cli.shared_options import run_argument, shared


@click.command()
@run_argument
@shared(
    "allow_seen",
    is_flag=True,
    default=False,
    help="Also rank items that the user has interacted with; by default as the run was measured.",
)
@shared("as_json")
def evaluate(run: Path, allow_seen: bool, as_json: bool) -> None:
    """Measure the lists of RUN on its test part again.

    RUN is a run folder, or the name of a prebuilt model.
    """
    from tfrec_fusion.evaluation.report import print_table
    from tfrec_fusion.zoo.prebuilt.load import open_run
    from tfrec_fusion.zoo.runs.comparison import shown_metrics
    from tfrec_fusion.zoo.runs.measurement import evaluated

    answer, row = evaluated(open_run(run), allow_seen)
    if as_json:
        print_json(answer)
        return
    for note in answer["notes"]:
        tell(note)
    print_table([row], shown_metrics([row], row.model))
