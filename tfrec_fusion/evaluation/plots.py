"""Plots as inline SVG: metric bars with their intervals, learning curves, and effects.

Text and axes are drawn in `currentColor`, so that a page's light and dark colors apply to them.
"""

from __future__ import annotations

import io
import math
import re
from collections.abc import Mapping, Sequence
from html import escape
from textwrap import shorten
from typing import TYPE_CHECKING, Any

from tfrec_fusion.evaluation.rows import DASH, ReportRow, metric_label, number

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito's palette without black and yellow: told apart by the color-blind, and readable
# on white as on near-black.
COLORS = ("#3b8ac4", "#e08214", "#2a9d78", "#cc6699", "#8c7ae6", "#c2504a", "#7f8c8d")
_INK = "#123457"  # stands for currentColor until the SVG is written
_COLUMNS = 3
_WIDEST = 40  # characters of a label beside a bar
_NAMES = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'


def metric_bars(rows: Sequence[ReportRow], metrics: Sequence[str]) -> str:
    """Horizontal bars, one panel a metric and one bar a model, with 95% intervals as whiskers.

    Args:
        rows: The models, drawn from top to bottom.
        metrics: The panels.

    Returns:
        An `<svg>` element without references to anything outside it.
    """
    figure, panels = _panels(len(metrics), 0.75 + 0.34 * len(rows))
    for place, (axes, metric) in enumerate(zip(panels, metrics, strict=True)):
        _bars(axes, rows, metric)
        axes.set_title(metric_label(metric), parse_math=False, loc="left", fontsize=10)
        labels = [row.model for row in rows] if place % _COLUMNS == 0 else [""] * len(rows)
        axes.set_yticks(range(len(rows)), labels, parse_math=False)
        axes.tick_params(axis="y", length=0)
        axes.spines["bottom"].set_visible(False)
    return _svg(figure, "Metrics by model, with 95% intervals")


def learning_curves(curves: Mapping[str, Mapping[str, Sequence[float]]]) -> str:
    """Values by epoch, one panel a metric and one color a run.

    A metric `val_x` (validation, solid) shares the panel of `x` (training, dashed).

    Args:
        curves: Run names to metric names to values, one an epoch.

    Returns:
        An `<svg>` element without references to anything outside it.
    """
    from matplotlib.ticker import MaxNLocator

    names = list(dict.fromkeys(n.removeprefix("val_") for run in curves.values() for n in run))
    longest = max((len(values) for run in curves.values() for values in run.values()), default=1)
    margin = max(0.05 * (longest - 1), 0.1)
    figure, panels = _panels(len(names), 2.6)
    for axes, name in zip(panels, names, strict=True):
        for place, (run, history) in enumerate(curves.items()):
            for key, line in ((name, "--"), (f"val_{name}", "-")):
                if key in history:
                    _curve(axes, history[key], line, COLORS[place % len(COLORS)], run, key)
        axes.set_title(metric_label(name), parse_math=False, loc="left", fontsize=10)
        axes.set_xlabel("epoch")
        axes.set_xlim(1 - margin, longest + margin)
        axes.grid(color=_INK, alpha=0.12, linewidth=0.6)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    _legend(figure, panels, list(curves))
    return _svg(figure, "Learning curves by epoch")


def effect_bars(panels: Mapping[str, Sequence[tuple[str, float]]], label: str) -> str:
    """Horizontal bars to both sides of zero, one panel under the other.

    Args:
        panels: Titles to labeled effects, drawn from top to bottom.
        label: What the picture shows, for those who cannot see it.

    Returns:
        An `<svg>` element without references to anything outside it.
    """
    spans = [len(effects) + 0.2 for effects in panels.values()]  # bars are as wide everywhere
    height = 0.54 + 0.3 * sum(spans) / len(spans)
    figure, axes_of_panels = _panels(len(panels), height, columns=1, ratios=spans)
    for axes, (title, effects) in zip(axes_of_panels, panels.items(), strict=True):
        names, values = zip(*effects, strict=True)
        labels = [shorten(str(name), _WIDEST, placeholder="…") for name in names]
        colors = [COLORS[value < 0] for value in values]
        axes.barh(range(len(values)), values, height=0.62, color=colors, alpha=0.75)
        axes.set_yticks(range(len(values)), labels, parse_math=False)
        axes.set_ylim(len(values) - 0.4, -0.6)
        axes.axvline(0, color=_INK, linewidth=0.8)
        axes.set_title(title, parse_math=False, loc="left", fontsize=10)
    return _svg(figure, label)


def _bars(axes: Axes, rows: Sequence[ReportRow], metric: str) -> None:
    reach = [0.0]
    for place, row in enumerate(rows):
        value = row.metrics.get(metric, math.nan)
        if not math.isfinite(value):
            axes.annotate(DASH, (0, place), (4, 0), textcoords="offset points", va="center")
            continue
        axes.barh(place, value, height=0.62, color=COLORS[0], alpha=0.75)
        low, high = row.intervals.get(metric, (value, value))
        if high > low:
            (whisker,) = axes.plot([low, high], [place] * 2, "|-", color=_INK, linewidth=1.2)
            whisker.set(markersize=6, gid=f"interval-{metric}-{place}")
        end = max(value, high)
        reach.append(end)
        axes.annotate(
            number(value), (end, place), (4, 0), textcoords="offset points", va="center", fontsize=8
        )
    axes.set_xlim(min(0.0, *reach), max(reach) * 1.28 or 1.0)
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.xaxis.set_visible(False)


def _curve(axes: Axes, values: Sequence[float], line: str, color: str, run: str, key: str) -> None:
    what = "validation" if key.startswith("val_") else "training"
    # An epoch that was not validated has no point; the line goes on to the next that was.
    points = [(epoch, one) for epoch, one in enumerate(values, 1) if math.isfinite(one)]
    marker = "o" if len(points) == 1 else ""
    epochs, known = zip(*points, strict=True) if points else ((), ())
    axes.plot(
        epochs, known, line, color=color, marker=marker, linewidth=1.6, label=f"{run}\0{what}"
    )[0].set_gid(f"curve-{run}-{key}")


def _legend(figure: Figure, panels: Sequence[Axes], runs: list[str]) -> None:
    """One legend for all panels, above them."""
    lines: dict[tuple[str, str], Any] = {}
    for axes in panels:
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
            run, what = label.split("\0")
            lines.setdefault((run, what), handle)
    order = sorted(lines, key=lambda line: (runs.index(line[0]), line[1]))
    legend = figure.legend(
        [lines[line] for line in order],
        [what if len(runs) == 1 else f"{run}, {what}" for run, what in order],
        loc="outside upper left",
        ncols=2 if len(runs) == 1 else min(len(runs), 4),
        frameon=False,
        fontsize=9,
    )
    for text in legend.get_texts():
        text.set_parse_math(False)


def _panels(
    count: int, height: float, columns: int = _COLUMNS, ratios: Sequence[float] | None = None
) -> tuple[Figure, list[Axes]]:
    """A figure of `count` panels, at most `columns` in a row, on average `height` inches each."""
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    columns = min(count, columns)
    lines = -(-count // columns)
    width = 9.6 if columns > 1 else 6.4
    layout = ConstrainedLayoutEngine(h_pad=0.1, w_pad=0.06)
    figure = Figure(figsize=(width, height * lines + 0.3), layout=layout)
    panels = list(figure.subplots(lines, columns, squeeze=False, height_ratios=ratios).flat)
    for axes in panels[count:]:
        axes.remove()
    for axes in panels[:count]:
        axes.set_facecolor("none")
        axes.tick_params(labelsize=9)
        for side in ("top", "right"):
            axes.spines[side].set_visible(False)
    return figure, panels[:count]


def _svg(figure: Figure, label: str) -> str:
    """The figure as an `<svg>` element: fluid width, real text, page colors."""
    from matplotlib import rc_context
    from matplotlib.text import Text

    for text in figure.findobj(Text):
        text.set_color(_INK)
    for axes in figure.axes:
        axes.tick_params(color=_INK, labelcolor=_INK)
        for spine in axes.spines.values():
            spine.set_color(_INK)
    buffer = io.StringIO()
    nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": label}):
        figure.savefig(buffer, format="svg", transparent=True, metadata=nothing)
    svg = buffer.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r' id="[\w.]+_\d+"', "", svg)  # unreferenced, and the same in every figure
    head = re.search(r'viewBox="[^"]*"', svg)
    box = head.group() if head else ""
    inside = svg[svg.index(">") + 1 :].replace(_INK, "currentColor")
    return (
        f'<svg {_NAMES} {box} role="img" aria-label="{escape(label, quote=True)}">{inside.strip()}'
    )
