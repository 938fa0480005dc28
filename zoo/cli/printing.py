"""Lines and JSON objects that commands print: results on stdout, everything else on stderr."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tfrec_fusion.answer_warnings import AnswerWarning
from tfrec_fusion.evaluation.report import ReportRow, print_table
from tfrec_fusion.zoo.answers.printable import printable

if TYPE_CHECKING:
    import pandas as pd

POPULARITY = "popularity"  # `source` of items that are ranked by their number of events


def tell(line: str) -> None:
    """Prints a line for people, on stderr."""
    click.echo(line, err=True)


def print_json(answer: Mapping[str, Any]) -> None:
    """Prints one JSON object."""
    click.echo(json.dumps(answer, ensure_ascii=False))


def print_run(out: Path, info: Mapping[str, Any], as_json: bool) -> None:
    """Prints the numbers of a run that was just trained, next to the baselines'.

    Args:
        out: Its folder.
        info: Its `run.json`.
        as_json: Whether to print all of that as one JSON object.
    """
    if as_json:
        print_json({"run": str(out), **info})
        return
    from tfrec_fusion.zoo.runs.comparison import shown_metrics

    rows = [ReportRow(**row) for row in info["rows"]]
    print_table(rows, shown_metrics(rows, info["model"]))


def print_items(table: pd.DataFrame, asked: Mapping[str, Any], as_json: bool) -> None:
    """Prints ranked items, a line each or as one JSON object.

    Args:
        table: A recommender's answer; `why` holds lists of phrases.
        asked: The parts of the question that the JSON object repeats.
        as_json: Whether to print that object.
    """
    rows = _records(table)
    if as_json:
        print_json({**asked, "items": rows})
    else:
        _print_lines(rows)


def print_users(
    table: pd.DataFrame, users: Sequence[str], asked: Mapping[str, Any], as_json: bool
) -> None:
    """Prints ranked items of several users, those of each under a heading.

    Args:
        table: A recommender's answer, with a column `user_id`.
        users: The users, in the order in which they are printed.
        asked: As of `print_items`.
        as_json: Whether to print one JSON object; its `users` are `{"user_id", "items"}` each.
    """
    found: dict[str, list[dict[Any, Any]]] = {user: [] for user in users}
    for row in _records(table):
        found[str(row.pop("user_id"))].append(row)
    if as_json:
        of_users = [{"user_id": user, "items": rows} for user, rows in found.items()]
        print_json({**asked, "users": of_users})
        return
    for user, rows in found.items():
        click.echo(printable(f"User {user}:"))
        _print_lines(rows)


def _records(table: pd.DataFrame) -> list[dict[Any, Any]]:
    """The rows of a table, with nothing that JSON has no word for."""
    return [
        {key: _plain(cell) for key, cell in row.items()}
        for row in table.astype(object).to_dict("records")
    ]


def _plain(cell: Any) -> Any:
    import pandas as pd

    if isinstance(cell, (list, tuple, set)) or getattr(cell, "ndim", None):
        return [_plain(one) for one in cell]
    if pd.isna(cell):
        return None
    if isinstance(cell, (str, bool, int, float)):
        return cell
    # NumPy's scalars become Python's; a moment is written out.
    return cell.item() if callable(getattr(cell, "item", None)) else str(cell)


def _print_lines(rows: Sequence[Mapping[Any, Any]]) -> None:
    for rank, row in enumerate(rows, 1):
        source = f"  ({POPULARITY})" if row.get("source") == POPULARITY else ""
        why = f"  because of: {', '.join(row['why'])}" if row.get("why") else ""
        line = f"{row['title']}  [{row['item_id']}]  {row['score']:.3f}{source}{why}"
        click.echo(f"{rank:3}. {printable(line)}")


@contextmanager
def told_warnings() -> Iterator[None]:
    """Prints warnings about answers as lines on stderr, with the options of the command line."""
    with warnings.catch_warnings():
        warnings.simplefilter("always", AnswerWarning)
        show = warnings.showwarning

        def show_line(message: Warning | str, category: type[Warning], *where: Any) -> None:
            if not issubclass(category, AnswerWarning):
                show(message, category, *where)
                return
            tell(printable(str(message).replace("`allow_seen=True`", "--allow-seen")))

        warnings.showwarning = show_line  # type: ignore[assignment]
        yield
