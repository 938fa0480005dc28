"""What tests of training are given."""

from types import SimpleNamespace

import pytest
from watched_training import FOUND


@pytest.fixture
def fits(monkeypatch):
    """What `fit` was called with."""
    calls = []

    def record(model, dataset, **given):
        calls.append(SimpleNamespace(model=model, dataset=dataset, **given))
        calls[-1].weights = model.get_weights()
        return FOUND

    monkeypatch.setattr("tfrec_fusion.zoo.runs.network_trainer.fit", record)
    return calls
