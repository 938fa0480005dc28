"""The fits of a model in closed form."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from tfrec_fusion.data.events import Events
from tfrec_fusion.data.indexed import IndexedData
from tfrec_fusion.zoo.registry import build
from tfrec_fusion.zoo.runs.settings import Settings


@dataclass(frozen=True)
class BaselineTrainer:
    """Fits a baseline on indexed data; for `runs.train` it is like a `NetworkTrainer`.

    Attributes:
        data: Vocabularies and parts.
        settings: The model and its options.
    """

    data: IndexedData
    settings: Settings
    carried: ClassVar[tuple[Any, ...]] = ()
    notes: ClassVar[tuple[str, ...]] = ()
    features: ClassVar[None] = None
    knowledge: ClassVar[None] = None

    def run(self) -> tuple[Any, dict[str, Any]]:
        """Fits the model that is measured, and returns it; nothing is to be noted."""
        return self._fitted(self.data.train_and_validation), {}

    def train_on_all(self) -> Any:
        """Fits a model on all events, the test part included."""
        return self._fitted(self.data.everything)

    def _fitted(self, events: Events) -> Any:
        model = build(self.settings.spec.name, **self.settings.choices)
        texts = self.data.item_texts(self.settings.further.get("text_columns", ()))
        model.fit(events, texts)
        return model
