"""`train` on small tables: what a run says is what its model, fitted by hand, gives by hand."""

from __future__ import annotations

import json
from dataclasses import asdict
from types import SimpleNamespace

import numpy as np
import pytest
from linear_models import Recording
from quick_training import eagerly
from watched_training import Seen, ndcg, pairs_of

from tfrec_fusion import zoo
from tfrec_fusion.data.indexed import index_data
from tfrec_fusion.data.sources.synthetic import generate
from tfrec_fusion.data.split import cold_item
from tfrec_fusion.evaluation.report import ReportRow
from tfrec_fusion.zoo.runs.comparison import notes, write_report, yardsticks
from tfrec_fusion.zoo.runs.full_ranking import ranking_of
from tfrec_fusion.zoo.runs.plan import claimed
from tfrec_fusion.zoo.runs.settings import Settings, default_options
from tfrec_fusion.zoo.runs.train import train

TABLES = generate(40, 30, 700, seed=6)
DATA = index_data(TABLES)
USERS = np.arange(len(DATA.users))


def auc(scores, known, heldout):
    """The share of pairs of a held-out and another new item that stand in the right order."""
    values = []
    for user in np.unique(heldout.user):
        wanted = set(heldout.item[heldout.user == user].tolist())
        seen = {0, *known.item[known.user == user].tolist()}
        wanted -= seen
        others = [item for item in range(known.num_items) if item not in wanted | seen]
        pairs = [scores[user, one] - scores[user, other] for one in wanted for other in others]
        if pairs:
            values.append(np.mean([(pair > 0) + 0.5 * (pair == 0) for pair in pairs]))
    return float(np.mean(values))


@pytest.fixture(scope="module")
def item_knn(tmp_path_factory):
    return train("item_knn", TABLES, tmp_path_factory.mktemp("runs") / "item_knn")


def test_a_classic_learns_train_and_validation(item_knn):
    by_hand = zoo.build("item_knn").fit(DATA.train_and_validation)
    np.testing.assert_array_equal(item_knn.model.score(USERS), by_hand.score(USERS))


def test_what_is_said_of_the_test_part_is_measured_on_it(item_knn):
    known = DATA.train_and_validation
    scores = zoo.build("item_knn").fit(known).score(USERS)
    said = item_knn.info["test"]
    assert said["ndcg@10"] == pytest.approx(ndcg(scores, known, DATA.test), abs=1e-9)
    assert "auc" not in said  # the report does not show it
    for name in ("ndcg@10", "recall@20"):
        low, high = item_knn.info["test_intervals"][name]
        assert low < said[name] < high
    assert item_knn.info["rows"][-1]["metrics"] == said


@pytest.mark.parametrize("auc_is_shown", [False, True])
def test_the_classics_beside_are_fitted_and_measured_alike(auc_is_shown):
    known = DATA.train_and_validation
    beside = {row.model: asdict(row) for row in yardsticks(DATA, auc=auc_is_shown)}
    assert list(beside) == ["popularity (classic)", "ease (classic)"]
    for name in ("popularity", "ease"):
        scores = zoo.build(name).fit(known).score(USERS)
        row = beside[f"{name} (classic)"]
        assert row["metrics"]["ndcg@10"] == pytest.approx(ndcg(scores, known, DATA.test), abs=1e-9)
        shown = {"ndcg@10", "auc"} if auc_is_shown else {"ndcg@10"}
        assert {"ndcg@10", "auc"} & set(row["metrics"]) == shown <= set(row["intervals"])
        if auc_is_shown:
            assert row["metrics"]["auc"] == pytest.approx(auc(scores, known, DATA.test), abs=1e-9)


def test_a_classic_is_not_measured_twice(tmp_path, monkeypatch):
    measured = []

    def counted(model, *given, **named):
        measured.append(type(model).__name__)
        return ranking_of(model, *given, **named)

    monkeypatch.setattr("tfrec_fusion.zoo.runs.measurement.ranking_of", counted)
    rows = train("popularity", TABLES, tmp_path / "popularity").info["rows"]
    assert measured == ["Popularity", "EASE"]
    assert rows[0] == {**rows[2], "model": "popularity (classic)"}
    measured.clear()
    rows = train("ease", TABLES, tmp_path / "ease", l2=5.0).info["rows"]
    assert measured == ["EASE", "Popularity", "EASE"]  # other keywords, another model
    assert rows[1]["metrics"] != rows[2]["metrics"]


def test_where_ease_does_not_fit_the_classic_beside_is_item_knn(monkeypatch):
    monkeypatch.setattr(
        "tfrec_fusion.zoo.baselines.ease.EASE.fits_memory", lambda self, num_items: num_items < 31
    )
    rows = yardsticks(DATA)
    assert [row.model for row in rows] == ["popularity (classic)", "item_knn (classic)"]


def test_the_split_and_its_seed_are_those_of_the_options(tmp_path):
    runs = {
        (split, seed): train(
            "popularity", TABLES, tmp_path / f"{split}-{seed}", split=split, seed=seed
        )
        for split, seed in (("leave_one_out", 0), ("cold_item", 1), ("cold_item", 2))
    }
    last = runs["leave_one_out", 0]
    assert len(last.parts["test"]) == len(np.unique(last.parts["test"].user)) == len(USERS) - 1
    assert "the last event test" in last.info["data"]["split"]
    for seed in (1, 2):
        run = runs["cold_item", seed]
        expected = set(cold_item(TABLES, seed=seed).test["item_id"])
        assert set(run.items.id_of(run.parts["test"].item)) == expected


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"seed": 1}, "options: `seed` was 0, is now 1."),
        (
            {"tables": generate(40, 30, 700, seed=7)},
            r"the data changed \(checksum \w{12}, now \w+\).",
        ),
        ({"name": "ease"}, "`model` was 'popularity', is now 'ease'."),
    ],
)
def test_only_the_same_training_goes_on_in_a_folder(change, named, tmp_path, monkeypatch):
    begun = {"name": "popularity", "tables": TABLES}

    def killed(*given):
        raise KeyboardInterrupt

    (tmp_path / "training").mkdir()  # something has been trained
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("tfrec_fusion.zoo.runs.train.save_run", killed)
        train(folder=tmp_path, **begun)
    with pytest.raises(
        FileExistsError, match=rf"of another training \(see .*json\): {named} Choose"
    ):
        train(folder=tmp_path, **{**begun, **change})
    assert train(folder=tmp_path, **begun).info["model"] == "popularity"


def test_callbacks_see_the_epochs_of_every_pass(tmp_path, monkeypatch):
    monkeypatch.setattr("tfrec_fusion.zoo.runs.network_trainer.fit", eagerly)
    seen, options = Recording(), {"epochs": 2, "batch_size": 1024, "progress": False}
    made = train("gmf", TABLES, tmp_path, callbacks=[seen], gmf_dim=4, **options)
    best = made.info["training"]["best_epoch"]
    assert seen.began == [0, 1, *range(best)]
    values = [one.get("val_ndcg@10") for one in seen.logs]
    assert values == [*made.info["training"]["history"]["val_ndcg@10"], *[None] * best]


def test_a_baseline_calls_none_and_what_is_no_callback_is_refused(tmp_path):
    seen = Recording()
    train("popularity", TABLES, tmp_path / "popularity", callbacks=[seen])
    assert seen.began == []
    with pytest.raises(TypeError, match=r"must be a list of keras\.callbacks\.Callback"):
        train("gmf", TABLES, tmp_path / "gmf", callbacks=["tensorboard"])
    assert not (tmp_path / "gmf").exists()


def of_version_0_1(plan):
    """The plan as version 0.1 wrote it: with the options of all models, and none of later ones."""
    options = {**default_options(), **plan["options"]}
    del options["production"]
    former = zoo.get_spec(plan["model"]).former_names
    return {**plan, "options": options, "model": former[0] if former else plan["model"]}


@pytest.mark.parametrize("name", ["popularity", "profile_fusion"])
def test_a_training_that_version_0_1_began_goes_on(name, tmp_path):
    settings = Settings.from_keywords(zoo.get_spec(name), {"seed": 3})
    plan = {"model": name, "hyperparameters": {}, "options": settings.as_options()}
    (tmp_path / "plan.json").write_text(json.dumps(of_version_0_1(plan)))
    with claimed(tmp_path, plan):
        pass
    (tmp_path / "plan.json").write_text(json.dumps(of_version_0_1(plan)))
    with (
        pytest.raises(FileExistsError, match=r"options: `seed` was 3, is now 4\. Choose"),
        claimed(tmp_path, plan | {"options": {**plan["options"], "seed": 4}}),
    ):
        pytest.fail("claimed")


@pytest.mark.parametrize("part", ["options", "hyperparameters"])
def test_a_plan_that_is_none_is_named(part, tmp_path):
    (tmp_path / "plan.json").write_text(json.dumps({"model": "ease", part: [1]}))
    with pytest.raises(FileExistsError, match=rf"cannot be read: `{part}` must be an object"):
        train("ease", TABLES, tmp_path)


def test_reasons_are_mined_from_everything_once_it_is_trained(tmp_path, monkeypatch):
    mined = []

    def stop(events, texts):
        mined.append(events)
        raise Seen

    classic = zoo.build("popularity").fit(DATA.train)
    found = {"carried": [], "features": None, "notes": []}

    def trainer(data, settings, *given, **named):
        trained = (classic, {"history": {}})
        return SimpleNamespace(data=data, settings=settings, run=lambda: trained, **found)

    monkeypatch.setattr("tfrec_fusion.zoo.runs.train.NetworkTrainer", trainer)
    monkeypatch.setattr("tfrec_fusion.zoo.runs.train.user_words", stop)
    with pytest.raises(Seen):
        train("gpt2_hybrid", TABLES, tmp_path)
    assert pairs_of(mined[0]) == pairs_of(DATA.everything)
    assert len(mined[0]) == len(TABLES.interactions)


def test_notes_say_what_chose_the_epochs():
    info = {
        "data": {"name": "films", "split": "split by time", "citation": "Harper 2015"},
        "training": {"seconds": 2.5, "best_epoch": 7, "validation": {"ndcg@10": 0.1}},
        "options": {"seed": 3},
        "command": "tfrec-zoo train",
    }
    said = notes(info)
    assert said[0].startswith("Data: films, split by time.")
    assert "ranked but those a user knows" in said[0]
    assert "ranked; the classics" in notes({**info, "options": {"seed": 3, "allow_seen": True}})[0]
    assert notes({**info, "notes": ["One user."]})[-1] == "One user."
    assert said[1:] == [
        "Seed 3; 2.5 s of training.",
        "Epochs chosen on validation: 7.",
        "Command: tfrec-zoo train",
        "Cite: Harper 2015",
    ]


def test_a_report_shows_tasks_where_its_model_has_some(tmp_path):
    numbers = {"ndcg@10": 0.25, "rmse": 1.5}
    rows = [ReportRow("popularity (classic)", {"ndcg@10": 0.125}), ReportRow("ease", numbers)]
    write_report(tmp_path / "lists", rows, title="Lists", notes=[])
    rows = [rows[0], ReportRow("multi_task", numbers)]
    write_report(tmp_path / "tasks", rows, title="Tasks", notes=[])
    pages = {one: (tmp_path / one / "report.html").read_text() for one in ("lists", "tasks")}
    assert "RMSE" in pages["tasks"] and "RMSE" not in pages["lists"]
    assert "1.5" in (tmp_path / "lists" / "metrics.csv").read_text()
