"""The command that explains a recommendation."""

from __future__ import annotations

from pathlib import Path

import click

from tfrec_fusion.zoo.cli.shared_options import run_argument, shared


@click.command()
@run_argument
@shared("user_id", required=True, help="A user of the model.")
@shared("item_id", help="An item: its id or its title; by default the best recommendation.")
@shared("k", default=5, help="Number of past items, of words and of paths.")
@click.option(
    "--picture",
    type=click.Path(path_type=Path),
    metavar="FILE.svg",
    help="Also draw the explanation.",
)
@shared("as_json")
def explain(
    run: Path, user_id: str, item_id: str | None, k: int, picture: Path | None, as_json: bool
) -> None:
    """Explain a recommendation of RUN by past items, words of the item's text and graph paths.

    An effect is the fall of the score without the item in the history, the word in the text, or the
    entity in the graph. The JSON answer also has integrated gradients of the words.
    """
    from tfrec_fusion.files.whole import write_text
    from tfrec_fusion.zoo.prebuilt.load import open_recommender

    found = open_recommender(run).explain(user_id, item_id, words=True)
    if picture is not None:
        write_text(picture, found.as_svg(k) + "\n")
    click.echo(found.as_json(k) if as_json else found.as_text(k))
