"""Numbers for people: a terminal table, a CSV file and one self-contained HTML page."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tfrec_fusion.errors import InvalidInput
from tfrec_fusion.evaluation.rows import ReportRow, best_models, metric_label, metric_names, number
from tfrec_fusion.files.whole import write_text

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["ReportRow", "print_table", "read_csv", "write_csv", "write_html"]


def print_table(
    rows: Sequence[ReportRow],
    metrics: Sequence[str] | None = None,
    *,
    title: str = "",
    console: Console | None = None,
) -> None:
    """Prints a table: a line a model, below each number half the width of its 95% interval.

    The best of each column is bold. In a terminal the table fits the window; written to a file
    or pipe it is as wide as it needs.

    Args:
        rows: One entry a model, in the order to print.
        metrics: Columns, in order; all by default.
        title: Printed above.
        console: Where to print; standard output by default.

    Raises:
        ValueError: When there is no row, or none of them has one of `metrics`.
    """
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    bounded = any(row.intervals for row in rows)
    table = Table(
        title=title or None,
        title_justify="left",
        title_style="bold",
        caption="±: half the width of the 95% interval" if bounded else None,
        caption_justify="left",
        box=box.SIMPLE_HEAD,
    )
    table.add_column("model", overflow="fold")
    names = metric_names(rows, metrics)
    for name in names:
        table.add_column(metric_label(name), justify="right", overflow="fold")
    best = {name: best_models(rows, name) for name in names}
    for row in rows:
        cells = [Text(row.model)]
        for name in names:
            style = "bold" if row.model in best[name] else ""
            cell = Text(number(row.metrics.get(name)), style=style)
            if name in row.intervals:
                low, high = row.intervals[name]
                cell.append(f"\n±{number((high - low) / 2)}", style="dim not bold")
            cells.append(cell)
        table.add_row(*cells)
    console = console or Console()
    if not console.is_terminal:
        room = console.options.update(max_width=10_000)
        console = Console(file=console.file, width=console.measure(table, options=room).maximum)
    console.print(table)


def write_csv(path: str | Path, rows: Sequence[ReportRow]) -> None:
    """Writes one line a model: `model`, then `name`, `name_low`, `name_high` for each metric.

    Values keep full precision; what a model lacks is an empty cell. The file appears whole or
    not at all.

    Raises:
        ValueError: When there is no row.
    """
    names = metric_names(rows)
    bounded = {name for row in rows for name in row.intervals}
    columns = [
        one for n in names for one in ((n, f"{n}_low", f"{n}_high") if n in bounded else (n,))
    ]
    lines = io.StringIO()
    writer = csv.DictWriter(lines, ["model", *columns], lineterminator="\n")
    writer.writeheader()
    for row in rows:
        cells: dict[str, object] = {n: repr(float(v)) for n, v in row.metrics.items()}
        for name, (low, high) in row.intervals.items():
            cells |= {f"{name}_low": repr(float(low)), f"{name}_high": repr(float(high))}
        writer.writerow({"model": row.model, **cells})
    write_text(path, lines.getvalue())


def read_csv(path: str | Path) -> list[ReportRow]:
    """Reads what `write_csv` wrote.

    Raises:
        FileNotFoundError: When there is no such file.
        ValueError: When there is no column `model`.
    """
    with Path(path).open(encoding="utf-8", newline="") as file:
        lines = list(csv.DictReader(file))
    if not lines or "model" not in lines[0]:
        raise InvalidInput(f"{path} must have a column 'model' and at least one line after it.")
    rows = []
    for line in lines:
        cells = {name: float(cell) for name, cell in line.items() if name != "model" and cell}
        bounded = [name for name in cells if f"{name}_low" in cells and f"{name}_high" in cells]
        intervals = {
            name: (cells.pop(f"{name}_low"), cells.pop(f"{name}_high")) for name in bounded
        }
        rows.append(ReportRow(line["model"], cells, intervals))
    return rows


def write_html(
    path: str | Path,
    rows: Sequence[ReportRow],
    *,
    title: str,
    metrics: Sequence[str] | None = None,
    plotted: Sequence[str] | None = None,
    curves: Mapping[str, Mapping[str, Sequence[float]]] | None = None,
    notes: Sequence[str] = (),
) -> None:
    """Writes one HTML page with table and plots that needs no network, script or other file.

    Args:
        path: The file; it appears whole or not at all.
        rows: One entry a model, in the order to show.
        title: Heading of the page.
        metrics: Columns of the table; all by default.
        plotted: Metrics drawn as bars with their 95% intervals; by default the first six of
            `metrics`.
        curves: Run names to metric names to values, one an epoch. A metric `val_x` is drawn
            in the panel of `x`.
        notes: Paragraphs below the title: data, split, how to read the numbers.

    Raises:
        ValueError: When there is no row, or none of them has one of `metrics` or `plotted`.
    """
    from tfrec_fusion.evaluation.page import html_page

    page = html_page(
        rows, title=title, metrics=metrics, plotted=plotted, curves=curves, notes=notes
    )
    write_text(path, page)
