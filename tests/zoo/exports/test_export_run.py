"""What of a run goes into an export, and with what its costs are measured."""

from __future__ import annotations

import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf

from tfrec_fusion import zoo
from tfrec_fusion.data.indexed import index_data
from tfrec_fusion.data.sources.synthetic import generate
from tfrec_fusion.zoo.exports import export_run as exporting
from tfrec_fusion.zoo.exports.export_run import export_run
from tfrec_fusion.zoo.runs.run import load_run, save_run

DATA = index_data(generate(20, 15, 200, seed=3))


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    save_run(folder, zoo.build("ease").fit(DATA.train), DATA, {"model": "ease"})
    return load_run(folder)


@pytest.fixture
def exported(monkeypatch):
    """What `serving.export.export` was called with."""
    calls = []

    def record(models, directory, **given):
        calls.append(SimpleNamespace(models=models, directory=directory, **given))

    monkeypatch.setattr(exporting, "export", record)
    return calls


def test_everything_that_users_did_is_known_to_an_export(run, exported):
    export_run(run, "served/ease", page_sizes=(3, 5), version=7)
    (given,) = exported
    assert (given.directory, given.page_sizes, given.version) == ("served/ease", (3, 5), 7)
    assert (given.known != DATA.everything.matrix()).nnz == 0
    assert given.popularity.tolist() == DATA.everything.item_counts.tolist()
    assert given.user_ids.tolist() == DATA.users.ids.tolist()
    assert given.item_ids.tolist() == DATA.items.ids.tolist()
    assert given.titles.tolist() == DATA.item_column("title").tolist()
    users = np.arange(len(DATA.users))
    expected = run.model.score_model(DATA.everything)({"user_id": users})["scores"]
    np.testing.assert_allclose(given.models.score({"user_id": users})["scores"], expected)
    assert given.models.history is not None and given.models.similarity is not None


def test_a_run_that_was_measured_with_seen_items_serves_them(run, tmp_path):
    info = {**run.info, "options": {"allow_seen": True}}
    again = dataclasses.replace(run, info=info)
    known, history = run.recommender.known, run.items.ids[1:4].tolist()
    least = int(np.argmin(np.bincount(known.user)[1:])) + 1
    user, seen = str(run.users.ids[least]), run.items.id_of(known.item[known.user == least])
    for one, served in ((run, tmp_path / "kept"), (again, tmp_path / "repeated")):
        export_run(one, served, page_sizes=(14,))
        signatures = tf.saved_model.load(str(served / "1")).signatures
        recommended = signatures["recommend"](user_id=tf.constant([user]))
        read = signatures["recommend_from_history"](item_ids=tf.constant([history]))
        for answer, table, had in (
            (recommended, one.recommender.recommend(user, 14), seen),
            (read, one.recommender.recommend_from_history(history, 14), history),
        ):
            found = [item.decode() for item in answer["item_id"].numpy()[0] if item]
            assert found == table["item_id"].tolist()
            assert (one is again) == bool(set(had) & set(found))


def test_an_index_is_chosen_on_everything_and_measured_on_the_test_part(run, exported, monkeypatch):
    chosen, measured = [], []
    index = SimpleNamespace(num_probes=2, num_lists=9)
    found = SimpleNamespace(index=index, of_users="users", of_histories=None, recall=0.5)

    def make(*given):
        chosen.append(given)
        return found

    def measure(*given):
        measured.append(given)
        return 0.25, 0.5

    monkeypatch.setattr(exporting, "item_index", make)
    monkeypatch.setattr(exporting, "ndcg_beside_exact", measure)
    said = []
    export_run(run, "served/ease", index="int8", recall_floor=0.75, say=said.append)
    ((model, known, precision, floor),) = chosen
    assert model is run.model and (precision, floor) == ("int8", 0.75)
    assert len(known) == len(DATA.everything)
    ((model, of, known, heldout),) = measured
    assert model is run.model and of is found and heldout is run.parts["test"]
    assert len(known) == len(DATA.train) + len(DATA.validation)
    assert "2 of 9 lists" in said[0] and "0.2500 on the test part instead of 0.5000" in said[0]
    assert exported[0].models.index is index and exported[0].models.score == "users"


def test_what_16_bits_cost_is_measured_on_the_test_part(run, exported, monkeypatch):
    asked, halved = [], []
    score_model = type(run.model).score_model

    def told(self, known=None, frozen=False):
        asked.append(known)
        return score_model(self, known, frozen)

    def half(models):
        halved.append(set(models))
        return models

    monkeypatch.setattr(type(run.model), "score_model", told)
    monkeypatch.setattr(exporting, "with_half_tables", half)
    said = []
    export_run(run, "served/ease", half=True, say=said.append)
    at_test, everything = len(DATA.train) + len(DATA.validation), len(DATA.everything)
    assert [len(known) for known in asked] == [at_test, at_test, everything]
    assert halved == [{"score"}, {"score", "history", "similarity"}]
    assert said[0].startswith("item tables in 16 bits: NDCG@10 0.")


def test_without_users_what_asks_for_one_is_left_out(run, exported, monkeypatch):
    texts = dict.fromkeys(("encoder", "search", "item_of_text", "score_of_text"), "model")
    monkeypatch.setattr(exporting, "_text_models", lambda *given: dict(texts))
    monkeypatch.setattr(exporting, "check_history", lambda model: None)
    export_run(run, "served/ease", with_texts=True, without_users=True)
    export_run(run, "served/ease", with_texts=True)
    without, given = exported
    assert (without.user_ids, without.known) == (None, None)
    assert (without.models.score, without.models.score_of_text) == (None, None)
    assert without.models.search == without.models.item_of_text == "model"
    assert without.models.history is not None and without.models.similarity is not None
    assert given.models.score_of_text == "model" and given.user_ids is not None
