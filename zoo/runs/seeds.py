"""Several trainings of one model as one row: means over seeds, with their intervals."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import scipy.stats

from tfrec_fusion.evaluation.report import ReportRow
from tfrec_fusion.zoo.runs.run import Run


def over_seeds(values: Sequence[float]) -> tuple[float, float]:
    """95% interval of the mean of a few runs, by Student's t.

    Args:
        values: One number a seed, two or more.

    Example:

    >>> low, high = over_seeds([0.1, 0.2, 0.3])
    >>> round(low, 3), round(high, 3)
    (-0.048, 0.448)
    """
    spread = scipy.stats.t.ppf(0.975, len(values) - 1) * scipy.stats.sem(values)
    return float(np.mean(values) - spread), float(np.mean(values) + spread)


def summary(name: str, runs: Sequence[Run], metrics: Sequence[str]) -> ReportRow:
    """One row of several seeds' runs.

    Args:
        name: What the row is called.
        runs: Runs of one model that differ in their seeds; one where nothing is drawn, whose
            bootstrap interval over users is taken.
        metrics: Names of metrics; those that all runs have are in the row.
    """
    info = runs[0].info
    metrics = [key for key in metrics if all(key in run.info["test"] for run in runs)]
    if len(runs) == 1:
        kept = {
            key: tuple(info["test_intervals"][key])
            for key in metrics
            if key in info["test_intervals"]
        }
        return ReportRow(name, {key: info["test"][key] for key in metrics}, kept)
    values = {key: [run.info["test"][key] for run in runs] for key in metrics}
    means = {key: float(np.mean(value)) for key, value in values.items()}
    return ReportRow(name, means, {key: over_seeds(value) for key, value in values.items()})
