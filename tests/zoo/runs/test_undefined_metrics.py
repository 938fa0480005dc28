"""A metric that the data leave undefined is missing with a note, and the model is kept."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
from built_models import EVENTS
from command_line import answer, run
from repeated_events import REPEATS, SMALL, tables_of
from task_tables import model_of

from tfrec_fusion.data.indexed import index_data
from tfrec_fusion.zoo.runs.comparison import write_report, yardsticks
from tfrec_fusion.zoo.runs.ensembling import train_ensemble
from tfrec_fusion.zoo.runs.measurement import measured
from tfrec_fusion.zoo.runs.pair_metrics import pair_metrics
from tfrec_fusion.zoo.runs.run import load_run
from tfrec_fusion.zoo.runs.seeds import summary
from tfrec_fusion.zoo.runs.train import train

ONE_USER = tables_of([[0, 1, 2, 3, 4]], 5)
EVERYTHING = tables_of([[0, 1, 2], [1, 2, 0], [2, 0, 1]], 3)
LONGER = tables_of([np.roll(np.arange(5), -user) for user in range(5)], 5)
FEW_ITEMS = tables_of([np.roll(np.arange(8), user)[:6] for user in range(12)], 8)
TEN_ALONE = {"ndcg@10", "mrr@10"}
FULL = {f"{name}@{k}" for name in ("ndcg", "recall", "hr", "mrr", "coverage") for k in (10,)}


def check(found, tables, names, notes):
    """Whether a run answers, and its numbers, notes, report and JSON are as they should be."""
    assert set(found.info["test"]) & {*FULL, "auc"} == names
    for note in notes:
        assert any(note in one for one in found.info["notes"]), found.info["notes"]
    page = (found.folder / "report.html").read_text()
    assert all(note.replace("'", "&#x27;") in page for note in found.info["notes"])
    json.loads((found.folder / "run.json").read_text(), parse_constant=pytest.fail)
    user = tables.interactions["user_id"].iloc[0]
    found.recommender.recommend(user, 2)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Trains a baseline on tables, once."""
    kept = {}

    def make(name, tables):
        key = name, id(tables)
        if key not in kept:
            kept[key] = train(name, tables, tmp_path_factory.mktemp("runs") / name)
        return kept[key]

    return make


CASES = {
    # The one item left is what is held out.
    "one user": (ONE_USER, TEN_ALONE, 1.0, ["5 items, so a list of 10", "One user is measured"]),
    "everything": (EVERYTHING, TEN_ALONE, 1.0, ["3 items, so a list of 10"]),
    "everything, in long histories": (LONGER, TEN_ALONE, 1.0, ["5 items, so a list of 10"]),
    "repeats": (REPEATS, FULL, 0.0, ["6 of 6 test events are of items that their users have"]),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("name", ["popularity", "ease", "item_knn"])
def test_a_classic_is_kept_whatever_is_undefined(name, case, trained):
    tables, names, ndcg, notes = CASES[case]
    found = trained(name, tables)
    check(found, tables, names, notes)
    assert found.info["test"]["ndcg@10"] == ndcg
    assert [row["model"] for row in found.info["rows"]][:2] == [
        "popularity (classic)",
        "ease (classic)",
    ]


@pytest.mark.parametrize(
    ("name", "case"),
    [
        ("two_tower", "one user"),
        ("two_tower", "repeats"),
        ("neumf", "everything"),
        pytest.param("two_tower", "everything, in long histories", marks=pytest.mark.slow),
        pytest.param("neumf", "one user", marks=pytest.mark.slow),
        pytest.param("neumf", "repeats", marks=pytest.mark.slow),
    ],
)
def test_a_network_is_kept_whatever_is_undefined(name, case, tmp_path):
    tables, names, ndcg, notes = CASES[case]
    found = train(name, tables, tmp_path / "run", epochs=2, progress=False, **SMALL[name])
    check(found, tables, names, notes)
    assert found.info["test"]["ndcg@10"] == ndcg
    training = found.info["training"]
    if case == "repeats":
        assert training["best_epoch"] == 2 and training["validation"] == {}
        said = "no event of validation is of an item that is new to its user, so all epochs are"
        assert f"{name}: {said} trained." in found.info["notes"]
    else:
        assert "ndcg@10" in training["validation"]


def test_few_items_by_hand(trained):
    # User u has items u to u + 5 of a ring of 8: the last is held out, two others are new.
    found = trained("popularity", FEW_ITEMS)
    check(found, FEW_ITEMS, TEN_ALONE, ["The catalog has 8 items, so a list of 10 holds all"])
    known = found.known_at_test
    values = []
    for user in range(1, known.num_users):
        have = known.item[known.user == user]
        order = sorted(set(range(1, 9)) - set(have), key=lambda one: (-known.item_counts[one], one))
        (wanted,) = found.parts["test"].item[found.parts["test"].user == user]
        values.append(1 / np.log2(2 + order.index(wanted)))
    assert found.info["test"]["ndcg@10"] == pytest.approx(np.mean(values))
    assert set(found.info["test_intervals"]) == TEN_ALONE


def test_twelve_items_have_no_lists_of_twenty(trained):
    found = trained("popularity", REPEATS)
    assert not [name for name in found.info["test"] if name.endswith("@20")]
    assert any("12 items, so a list of 20 holds all" in one for one in found.info["notes"])


def test_an_empty_test_part_leaves_a_model_without_numbers(tmp_path, monkeypatch):
    def without_test(*given, **named):
        data = index_data(*given, **named)
        none = {
            name: getattr(data.test, name)[:0] for name in ("user", "item", "rating", "timestamp")
        }
        return dataclasses.replace(data, test=dataclasses.replace(data.test, **none))

    monkeypatch.setattr("tfrec_fusion.zoo.runs.train.index_data", without_test)
    for name in ("popularity", "ease"):
        found = train(name, FEW_ITEMS, tmp_path / name)
        assert found.info["test"] == {} and found.info["test_events"] == 0
        assert found.info["notes"] == ["No event is held out, so nothing is measured."]
    made = train_ensemble([tmp_path / "popularity", tmp_path / "ease"], tmp_path / "both")
    assert made.info["test"] == {}
    assert answer("evaluate", tmp_path / "both")["test"] == {}
    assert "No event is held out" in run("evaluate", tmp_path / "ease").output


def test_commands_show_what_there_is(tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    for name in ("interactions", "items"):
        getattr(EVERYTHING, name).to_parquet(folder / f"{name}.parquet")
    train_it = ["--data", folder, "--out"]
    shown = run("train", "popularity", *train_it, tmp_path / "popularity").output
    assert "The catalog has 3 items" in shown and "NDCG@10" in shown and "Recall" not in shown
    answer("train", "ease", *train_it, tmp_path / "ease")
    for said in (
        run("evaluate", tmp_path / "ease"),
        run("ensemble", tmp_path / "ease", tmp_path / "popularity", "--out", tmp_path / "both"),
    ):
        assert "The catalog has 3 items" in said.output and "NDCG@10" in said.output


def test_an_ensemble_whose_weights_cannot_be_chosen_counts_its_members_alike(trained, tmp_path):
    runs = [trained(name, REPEATS).folder for name in ("popularity", "ease")]
    made = train_ensemble(runs, tmp_path / "both")
    assert made.info["weights"] == {"popularity": 0.5, "ease": 0.5}
    assert made.info["training"]["validation"] == {}
    assert made.info["notes"][0] == (
        "Weights cannot be chosen: no event of validation is of an item that is new to its user. "
        "All members count alike."
    )


def test_a_model_is_saved_before_it_is_measured(tmp_path, monkeypatch):
    def killed(*given, **named):
        raise MemoryError

    fitted = []
    with monkeypatch.context() as patch, pytest.raises(MemoryError):
        patch.setattr("tfrec_fusion.zoo.runs.train.yardsticks", killed)
        train("ease", FEW_ITEMS, tmp_path / "run")
    kept = load_run(tmp_path / "run")
    assert kept.info["test"] == {} and kept.info["rows"] == []
    assert len(kept.recommender.recommend("u00", 2)) == 2
    monkeypatch.setattr(
        "tfrec_fusion.zoo.baselines.ease.EASE.fit", lambda self, *given: fitted.append(self)
    )
    monkeypatch.setattr("tfrec_fusion.zoo.runs.train.yardsticks", lambda *given, **named: [])
    finished = train("ease", FEW_ITEMS, tmp_path / "run")
    assert not fitted  # nothing is trained again
    whole = measured("ease", kept.model, kept.known_at_test, kept.parts["test"])
    assert finished.info["test"] == whole.row.metrics != {}
    with pytest.raises(FileExistsError, match="holds a finished run already"):
        train("ease", FEW_ITEMS, tmp_path / "run")


def test_a_model_of_no_numbers_is_kept_without_metrics(tmp_path, monkeypatch):
    monkeypatch.setattr(
        "tfrec_fusion.zoo.baselines.ease.EASE.score",
        lambda self, users: np.full((len(users), 9), np.nan, np.float32),
    )
    found = train("ease", FEW_ITEMS, tmp_path / "run")
    assert found.info["test"] == {}
    assert "ease could not be measured: `score` must return finite" in found.info["notes"][0]
    assert found.info["rows"][0]["metrics"]["ndcg@10"] > 0  # popularity


def test_rows_without_a_metric_are_reported(tmp_path):
    rows = yardsticks(index_data(FEW_ITEMS))
    empty = dataclasses.replace(rows[0], model="empty", metrics={}, intervals={})
    for order in ([empty, *rows], [*rows, empty], [empty]):
        write_report(tmp_path, order, title="Some", notes=[])
        assert "empty" in (tmp_path / "report.html").read_text()
        assert (tmp_path / "metrics.csv").read_text().startswith("model")


def test_seeds_show_what_all_of_them_have(trained):
    runs = [trained("popularity", FEW_ITEMS)] * 2
    less = dataclasses.replace(runs[0], info={**runs[0].info, "test": {"mrr@10": 0.5}})
    row = summary("both", [runs[0], less], ["ndcg@10", "mrr@10"])
    assert set(row.metrics) == {"mrr@10"}


# Tasks


def rated(rating, text="a good cable"):
    texts = np.full(len(EVENTS), text, object)
    return dataclasses.replace(EVENTS, rating=np.float32(rating) + 0 * EVENTS.rating, text=texts)


def test_tasks_that_are_undefined_are_missing_with_a_note():
    model = model_of()
    good, bad, silent = rated(5), rated(1), rated(5, "")
    found = pair_metrics(model, EVENTS, good, num_bootstrap=0)()
    assert set(found.metrics) == {"rmse", "mae", "perplexity"}
    assert found.notes == (
        "All held-out reviews are positive (rated 4 or more): sentiment_auc is undefined and "
        "omitted.",
    )
    found = pair_metrics(model, bad, bad, num_bootstrap=0)()
    assert set(found.metrics) == {"perplexity"}
    assert found.notes[0] == "All ratings are 1: rmse and mae are omitted."
    assert found.notes[1].startswith("No held-out reviews are positive")
    found = pair_metrics(model, EVENTS, silent, num_bootstrap=0)()
    assert set(found.metrics) == {"rmse", "mae"}
    assert found.notes[1] == "No held-out review has a word: perplexity is undefined and omitted."
