"""The data sets that the text benchmarks run on, by name."""

from __future__ import annotations

from pathlib import Path

from tfrec_fusion.data.sources.reading import read_tables
from tfrec_fusion.data.tables.rec_data import RecData

MUSICAL_INSTRUMENTS = "musical-instruments"


def benchmark_tables(name: str, data_dir: Path | None) -> RecData:
    """Reads a data set by its name, or a folder of tables.

    Args:
        name: As `read_tables` takes it.
        data_dir: A local copy, which `musical-instruments` needs: it must not be redistributed.

    Raises:
        DataUnavailable: When the data set cannot be had.
    """
    return read_tables(name, data_dir)
