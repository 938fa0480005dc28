"""The command that demonstrates the package on one data set."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from tfrec_fusion.zoo.cli.printing import print_json, tell
from tfrec_fusion.zoo.cli.shared_options import reads_tables, shared


@click.command()
@reads_tables(default="movielens-100k", show_default=True)
@shared("positive_from")
@shared("out", required=False, default="runs/demo", show_default=True, help="Folder to write.")
@shared(
    "user_id", default="196", show_default=True, help="The user whose recommendations are shown."
)
@shared("as_json")
def demo(
    out: Path,
    data: str,
    data_dir: Path | None,
    csv: dict[str, str],
    positive_from: float | None,
    user_id: str,
    as_json: bool,
) -> None:
    """Train baselines and neural models, compare them, export the best one, and recommend."""
    from tfrec_fusion.data.sources.reading import read_tables
    from tfrec_fusion.evaluation.report import print_table
    from tfrec_fusion.zoo.answers.printable import printable
    from tfrec_fusion.zoo.cli.demonstration import run_demo
    from tfrec_fusion.zoo.runs.comparison import shown_metrics

    tables = read_tables(data, data_dir, **csv).positives(positive_from, tell)
    shown = run_demo(tables, out, user_id=user_id, say=tell)
    if as_json:
        answer = {"rows": [asdict(row) for row in shown.rows], "best": shown.best}
        print_json(answer | {"export": str(shown.export), "user_id": user_id, "items": shown.items})
        return
    print_table(shown.rows, shown_metrics(shown.rows, ""), title=f"{data}, test part")
    click.echo(f"What should user {user_id} watch? {shown.best} says:")
    for rank, item in enumerate(shown.items, 1):
        click.echo(f"{rank:3}. {printable(item['title'])}")
