"""The command that says what carried a recommendation."""

from __future__ import annotations

from pathlib import Path

import click

from tfrec_fusion.files.whole import write_text
from tfrec_fusion.zoo.prebuilt.load import open_run


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--user-id", required=True, help="A user of the model.")
@click.option("--item-id", help="An item of the catalogue; by default the best recommendation.")
@click.option(
    "-k",
    type=click.IntRange(1),
    default=5,
    show_default=True,
    help="How many of each kind.",
)
@click.option("--picture", type=click.Path(path_type=Path), help="Also draw it, an SVG file.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def explain(
    run: Path, user_id: str, item_id: str | None, k: int, picture: Path | None, as_json: bool
) -> None:
    """Say which past items, words of its text and graph paths carried a recommendation.

    An effect is by how much the score falls without the item in the history, the word in the text,
    or the entity in the graph. Words also have integrated gradients in the JSON answer.
    """
    # TF Text and KerasHub take seconds to import: other commands need not wait for them.
    from tfrec_fusion.zoo.runs.explainer import explainer_of

    loaded = open_run(run)
    found = explainer_of(loaded).explain(user_id, item_id)
    if picture is not None:
        write_text(picture, found.as_svg(k) + "\n")
    click.echo(found.as_json(k) if as_json else found.as_text(k))
