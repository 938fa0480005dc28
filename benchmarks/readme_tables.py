"""Writes the tables of README.md and of the other written pages from measurements and cards.

    python benchmarks/readme_tables.py            # rewrite them
    python benchmarks/readme_tables.py --check    # exit 1 when they differ

A table stands between `<!-- table NAME -->` and `<!-- end -->`, NAME being that of a CSV in
`benchmarks/results`, or `cards`: the prebuilt models beside the classics that their cards name, or
`exports`: those that are exported in `savedmodels`.
`<!-- table NAME: popularity, ease -->` keeps the rows whose first cell is one of these.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from tfrec_fusion.files.whole import write_text
from tfrec_fusion.zoo.prebuilt.card import cards

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results"
PAGES = (
    ROOT / "README.md",
    ROOT / "benchmarks" / "README.md",
    ROOT / "savedmodels" / "README.md",
    *sorted((ROOT / "docs").glob("*.md")),
)
MARKED = re.compile(
    r"(?P<mark><!-- table (?P<name>[\w-]+)(: (?P<rows>.+?))? -->\n).*?(?P<end><!-- end -->)",
    re.DOTALL,
)

# Rows and columns of measurements that were made under earlier names of models and columns. The
# models are the same: what was `gpt2_hybrid` with its default MiniLM is now `text_hybrid`.
PRESENT_NAMES = {
    "gpt2_hybrid": "text_hybrid",
    "profile_semantics_behaviour": "profile_fusion",
    "without behavior": "without behavior",
    "catalogue": "catalog",
    "recall@20, whole catalog": "recall@20, whole catalog",
}

OF_CARDS = ("ndcg@10", "recall@20", "coverage@10")


def cards_table() -> str:
    """The prebuilt models, best first, after the classics, as a Markdown table."""
    known = sorted(cards().values(), key=lambda card: card.metrics["ndcg@10"])
    classics = {name: row for card in known for name, row in card.beside.items()}
    lines = [" | ".join(("model", "what it is", *OF_CARDS, "MB")), " | ".join(["---"] * 6)]
    for name, metrics in sorted(classics.items(), key=lambda one: one[1]["ndcg@10"]):
        lines.append(" | ".join((name, "classic, for comparison", *_numbers(metrics), "")))
    for card in known:
        size = f"{card.size / 1e6:.1f}"
        cells = (f"`{card.name}`", card.summary, *_numbers(card.metrics), size)
        lines.append(" | ".join(cells))
    return "".join(f"| {line} |\n" for line in lines)


def exports_table() -> str:
    """The exported versions of prebuilt models, as a Markdown table."""
    lines = [" | ".join(("model", "what it is", "ndcg@10", "MB")), " | ".join(["---"] * 4)]
    for name, card in sorted(cards().items()):
        folder = ROOT / "savedmodels" / name
        if folder.is_dir():
            size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
            cells = (f"`{name}`", card.summary, _numbers(card.metrics)[0], f"{size / 1e6:.1f}")
            lines.append(" | ".join(cells))
    return "".join(f"| {line} |\n" for line in lines)


def _numbers(metrics: Mapping[str, list[float]]) -> list[str]:
    cells = []
    for name in OF_CARDS:
        mean, low, high = metrics[name]
        cells.append(f"{mean:.4f} ± {(high - low) / 2:.4f}" if high > low else f"{mean:.4f}")
    return cells


def markdown(name: str) -> str:
    """One CSV as a Markdown table; a mean and its interval become one cell."""
    if name in FROM_CARDS:
        return FROM_CARDS[name]()
    table = pd.read_csv(RESULTS / f"{name}.csv")
    table = table.replace(PRESENT_NAMES).rename(columns=_present_name)
    shown = pd.DataFrame(index=table.index)
    for column in table:
        if column.endswith(("_low", "_high")):
            continue
        values = table[column]
        text = values.map(lambda value: value if isinstance(value, str) else f"{value:.4g}")
        if f"{column}_low" in table:
            half = (table[f"{column}_high"] - table[f"{column}_low"]) / 2
            text = values.map("{:.4f}".format) + half.map(
                lambda width: "" if pd.isna(width) else f" ± {width:.4f}"
            )
        elif pd.api.types.is_integer_dtype(values) or (values.map(_is_whole)).all():
            text = values.map("{:,.0f}".format)
        shown[column] = text.where(values.notna(), "")
    lines = [" | ".join(shown.columns), " | ".join(["---"] * shown.shape[1])]
    lines += [" | ".join(row) for row in shown.itertuples(index=False)]
    return "".join(f"| {line} |\n" for line in lines)


FROM_CARDS = {"cards": cards_table, "exports": exports_table}


def only(table: str, rows: str) -> str:
    """The head of a Markdown table and the rows whose first cells are named.

    Args:
        table: As of `markdown`.
        rows: Names joined by commas.

    Raises:
        ValueError: When the table has no row of a name.
    """
    wanted = [name.strip() for name in rows.split(",")]
    head, line, *others = table.splitlines(keepends=True)
    by_name = {one.split(" | ")[0].strip("|` "): one for one in others}
    if unknown := [name for name in wanted if name not in by_name]:
        raise ValueError(f"No row {', '.join(unknown)}; there are {', '.join(by_name)}.")
    return head + line + "".join(row for name, row in by_name.items() if name in wanted)


def with_tables(page: str) -> str:
    """The text with every marked table made anew."""

    def anew(found: re.Match[str]) -> str:
        table = markdown(found["name"])
        return (
            found["mark"] + (only(table, found["rows"]) if found["rows"] else table) + found["end"]
        )

    return MARKED.sub(anew, page)


def _present_name(column: str) -> str:
    """The present name of a column, which may be an end of an interval."""
    name, end = re.fullmatch(r"(.*?)(_low|_high)?", column).groups("")  # type: ignore[union-attr]
    return PRESENT_NAMES.get(name, name) + end


def _is_whole(value: object) -> bool:
    return isinstance(value, float) and value >= 1000 and value == round(value)


if __name__ == "__main__":
    for page in PAGES:
        written = page.read_text("utf-8")
        if "--check" not in sys.argv:
            write_text(page, with_tables(written))
        elif with_tables(written) != written:
            sys.exit(f"{page} differs: run benchmarks/readme_tables.py")
