"""The command that continues the training of a model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from tfrec_fusion.zoo.cli.model_options import options_of_fields
from tfrec_fusion.zoo.cli.names import RunName
from tfrec_fusion.zoo.cli.printing import print_run, tell
from tfrec_fusion.zoo.cli.sections import SectionedCommand
from tfrec_fusion.zoo.cli.shared_options import reads_tables, shared
from tfrec_fusion.zoo.cli.terminal import typed_command
from tfrec_fusion.zoo.runs.train_options import TrainOptions
from tfrec_fusion.zoo.spec import options_of

# Decided by the model that is continued; items already seen may be ranked where they were not.
OF_START = ("split", "positive_from", "allow_seen")
_RECIPES = ("epochs", "batch_size", "learning_rate", "weight_decay")
_training = options_of_fields(
    [one for one in options_of(TrainOptions) if one.name not in OF_START],
    lambda one: one.default,
    dict.fromkeys(_RECIPES, "by the recipe of START's model"),
)


@click.command(
    "fine-tune",
    cls=SectionedCommand,
    sections={
        "Data": ["data", "data_dir", "sep", "encoding", "decimal"],
        "Result": ["out", "as_json"],
        "Training": [*(str(one.name) for one in _training), "allow_seen"],
    },
)
@click.argument("start", type=RunName())
@reads_tables(required=True, help="A folder of your own tables, or a data set by name (SETS).")
@shared("out", "as_json")
@shared(
    "allow_seen",
    is_flag=True,
    default=False,
    help="Rank items that a user has interacted with, too; by default as START does.",
)
def fine_tune(
    start: Path,
    data: str,
    data_dir: Path | None,
    csv: dict[str, str],
    out: Path,
    as_json: bool,
    **chosen: Any,
) -> None:
    """Continue the training of START, a run or a prebuilt model, with your own events.

    Your tables may bring new users and items.
    """
    from tfrec_fusion.data.sources.reading import read_tables
    from tfrec_fusion.zoo.prebuilt.load import open_run
    from tfrec_fusion.zoo.runs.fine_tuning import fine_tune as fine_tune_run

    made = fine_tune_run(
        open_run(start),
        read_tables(data, data_dir, **csv),
        out,
        progress=not as_json,
        **chosen,
        command=typed_command(),
        say=tell,
    )
    print_run(out, made.info, as_json)


fine_tune.params += _training
