"""Tables, splits, vocabularies and batches: from raw tables to `tf.data`.

>>> from tfrec_fusion import data
>>> data.read_tables("synthetic")
RecData(synthetic: 20000 interactions, 1000 users, 500 items, 1000 triples)

Batches are in `tfrec_fusion.data.batches`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tfrec_fusion.data.events import Events
    from tfrec_fusion.data.features import LabelFeatures
    from tfrec_fusion.data.graph import Knowledge, knowledge_of
    from tfrec_fusion.data.indexed import IndexedData, index_data
    from tfrec_fusion.data.sources.folder import load_folder
    from tfrec_fusion.data.sources.layouts import Layout, Tables
    from tfrec_fusion.data.sources.loading import DataUnavailable
    from tfrec_fusion.data.sources.reading import read_tables
    from tfrec_fusion.data.sources.registry import (
        Addition,
        DataSource,
        get_source,
        register_source,
        source_names,
    )
    from tfrec_fusion.data.sources.synthetic.generator import generate
    from tfrec_fusion.data.split import Split, cold_item, leave_one_out, temporal
    from tfrec_fusion.data.suspicious import SuspiciousItem, suspicious_items
    from tfrec_fusion.data.tables.rec_data import RecData, checksum, from_frames, load_csv
    from tfrec_fusion.data.vocabulary import Vocabulary
    from tfrec_fusion.files.download import Archive, Wheel

_MODULES = {
    "tfrec_fusion.data.events": ("Events",),
    "tfrec_fusion.data.features": ("LabelFeatures",),
    "tfrec_fusion.data.graph": ("Knowledge", "knowledge_of"),
    "tfrec_fusion.data.indexed": ("IndexedData", "index_data"),
    "tfrec_fusion.data.sources.folder": ("load_folder",),
    "tfrec_fusion.data.sources.layouts": ("Layout", "Tables"),
    "tfrec_fusion.data.sources.loading": ("DataUnavailable",),
    "tfrec_fusion.data.sources.reading": ("read_tables",),
    "tfrec_fusion.data.sources.registry": (
        *("Addition", "DataSource", "get_source", "register_source", "source_names"),
    ),
    "tfrec_fusion.data.sources.synthetic.generator": ("generate",),
    "tfrec_fusion.data.split": ("Split", "cold_item", "leave_one_out", "temporal"),
    "tfrec_fusion.data.suspicious": ("SuspiciousItem", "suspicious_items"),
    "tfrec_fusion.data.tables.rec_data": ("RecData", "checksum", "from_frames", "load_csv"),
    "tfrec_fusion.data.vocabulary": ("Vocabulary",),
    "tfrec_fusion.files.download": ("Archive", "Wheel"),
}
_MODULE_OF = {name: module for module, names in _MODULES.items() for name in names}

__all__ = [
    "Addition",
    "Archive",
    "DataSource",
    "DataUnavailable",
    "Events",
    "IndexedData",
    "Knowledge",
    "LabelFeatures",
    "Layout",
    "RecData",
    "Split",
    "SuspiciousItem",
    "Tables",
    "Vocabulary",
    "Wheel",
    "checksum",
    "cold_item",
    "from_frames",
    "generate",
    "get_source",
    "index_data",
    "knowledge_of",
    "leave_one_out",
    "load_csv",
    "load_folder",
    "read_tables",
    "register_source",
    "source_names",
    "suspicious_items",
    "temporal",
]


def __getattr__(name: str) -> Any:
    """Imports pandas at the first use, not at the import."""
    if name in _MODULE_OF:
        return getattr(import_module(_MODULE_OF[name]), name)
    raise AttributeError(
        f"module {__name__!r} has no attribute {name!r}; it has {', '.join(__all__)}."
    )


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
