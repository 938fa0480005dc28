"""What text adds: the hybrid beside its own ablations, full ranking on the test part.

    python benchmarks/hybrid_quality.py --data movielens-100k
    python benchmarks/hybrid_quality.py --data musical-instruments --data-dir FOLDER

trains `text_hybrid` and its ablations on the temporal split once a seed (epochs chosen on
validation, refitted on train and validation, test looked at once) and writes
`benchmarks/results/hybrid_<data>.csv`. Classics stand beside them. Runs are kept in --runs, so an
interrupted measurement goes on.
"""

from __future__ import annotations

import os
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import click
import options
from quality import METRICS, RESULTS, trained

from tfrec_fusion.data.sources.reading import read_tables
from tfrec_fusion.evaluation.report import print_table, write_csv
from tfrec_fusion.zoo.runs.seeds import summary

CLASSICS = ("popularity", "tfidf", "item_knn", "ease")
VARIANTS: dict[str, dict[str, str]] = {
    "text_hybrid": {},
    "id only": {"sources": "id"},
    "text only": {"sources": "text"},
    "gated": {"fusion": "gated"},
    "attention": {"fusion": "attention"},
    "residual": {"fusion": "residual"},
    "user's words too": {"query": "user_id+history"},
    "NCF head": {"head": "ncf"},
}
MAIN = ("text_hybrid", "id only", "text only")


@click.command()
@options.data()
@options.DATA_DIR
@options.SEEDS
@options.EPOCHS
@options.runs("runs/hybrid")
@options.variants(VARIANTS, MAIN)
def main(
    data: str,
    data_dir: Path | None,
    seeds: int,
    epochs: int | None,
    runs: Path,
    variants: tuple[str, ...],
) -> None:
    """Trains, prints the table and writes the CSV."""
    tables = read_tables(data, data_dir)
    rows = []
    for name in (*CLASSICS, *variants):
        made = []
        for seed in range(seeds if name in VARIANTS else 1):
            folder = runs / tables.name / f"{name.replace(' ', '_')}-{seed}"
            model = "text_hybrid" if name in VARIANTS else name
            how = {"seed": seed, "epochs": epochs, **VARIANTS.get(name, {})}
            made.append(trained(model, tables, folder, **how))
        rows.append(summary(name, made, METRICS))
        RESULTS.mkdir(exist_ok=True)
        write_csv(RESULTS / f"hybrid_{tables.name}.csv", rows)
    print_table(rows, METRICS, title=f"{tables.name}, test part, {seeds} seeds")


if __name__ == "__main__":
    main()
