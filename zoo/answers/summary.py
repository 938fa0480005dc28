"""Summaries of a model: a line, a table for notebooks, a table of its numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

import pandas as pd

from tfrec_fusion.evaluation.report import ReportRow


def summary_line(name: str, facts: Mapping[str, str], metrics: Mapping[str, float]) -> str:
    """A model in one line, for `repr`.

    Args:
        name: The model's.
        facts: `model`, `data`, `users` and `items` in words.
        metrics: Its numbers on the test part.

    Example:

    >>> facts = {"model": "popular items", "data": "shop", "users": "20", "items": "9"}
    >>> summary_line("popularity", facts, {"ndcg@10": 0.25})
    '<popularity: popular items; shop, 20 users, 9 items; NDCG@10 0.2500 on its test part>'
    """
    measured = ""
    if "ndcg@10" in metrics:
        measured = f"; NDCG@10 {metrics['ndcg@10']:.4f} on its test part"
    of_data = f"{facts['data']}, {facts['users']} users, {facts['items']} items"
    return f"<{name}: {facts['model']}; {of_data}{measured}>"


def summary_table(name: str, facts: Mapping[str, str], metrics: Mapping[str, float]) -> str:
    """The same as an HTML table, for notebooks; names and values may hold anything.

    Example:

    >>> summary_table("ease", {"data": "<shop>"}, {"hr@10": 0.5})[7:]
    '<caption>ease</caption><tr><th>data</th><td>&lt;shop&gt;</td></tr><tr><th>hr@10</th><td>0.5000</td></tr></table>'
    """
    rows = {**facts, **{key: f"{value:.4f}" for key, value in metrics.items()}}
    cells = (
        f"<tr><th>{escape(key)}</th><td>{escape(value)}</td></tr>" for key, value in rows.items()
    )
    return f"<table><caption>{escape(name)}</caption>{''.join(cells)}</table>"


def metric_table(row: ReportRow, notes: Sequence[str] = ()) -> pd.DataFrame:
    """A model's numbers: `value`, and where there is an interval `low` and `high`, by metric.

    Args:
        row: The numbers.
        notes: What must be known to read them: `attrs["notes"]` of the table.

    Example:

    >>> metric_table(ReportRow("ease", {"auc": 0.75}, {"auc": (0.5, 1.0)})).loc["auc"].tolist()
    [0.75, 0.5, 1.0]
    """
    rows = [(value, *row.intervals.get(name, (None, None))) for name, value in row.metrics.items()]
    index = pd.Index(list(row.metrics), name="metric")
    table = pd.DataFrame(rows, index=index, columns=["value", "low", "high"], dtype=float)
    table.attrs["notes"] = list(notes)
    return table
