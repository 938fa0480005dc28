"""`--production`: the kept model learned from all events, the numbers are of the one before.

No number of a model on events that it was trained on is ever shown.
"""

from __future__ import annotations

import dataclasses
import json
import shutil

import keras
import numpy as np
import pytest
from command_line import answer, run
from linear_models import Recording
from package_folder import use_without_texts
from quick_training import eagerly, without_pictures  # noqa: F401 (fixtures)
from reference_protocol import assert_ranked
from watched_training import FOUND, Seen, ndcg, pairs_of, positives, scores_of, trained

from tfrec_fusion import zoo
from tfrec_fusion.data.indexed import index_data
from tfrec_fusion.data.sources.synthetic import generate
from tfrec_fusion.data.tables.rec_data import RecData
from tfrec_fusion.zoo.exports.export_run import export_run
from tfrec_fusion.zoo.prebuilt import publishing
from tfrec_fusion.zoo.prebuilt.load import load
from tfrec_fusion.zoo.runs.ensembling import train_ensemble
from tfrec_fusion.zoo.runs.fine_tuning import fine_tune
from tfrec_fusion.zoo.runs.measurement import PRODUCTION_NOTE
from tfrec_fusion.zoo.runs.run import load_run
from tfrec_fusion.zoo.runs.train import train
from tfrec_fusion.zoo.runs.train_options import TrainOptions

TABLES = generate(40, 60, 700, seed=6)
DATA = index_data(TABLES)
USERS = np.arange(len(DATA.users))
SMALL = {"gmf_dim": 4, "batch_size": 1024, "epochs": 2, "progress": False}


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """EASE and a network, without and with a last training on all events."""
    folder = tmp_path_factory.mktemp("runs")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tfrec_fusion.zoo.runs.network_trainer.fit", eagerly)
        return {
            (name, production): train(
                name, TABLES, folder / f"{name}-{production}", production=production, **keywords
            )
            for name, keywords in (("ease", {"l2": 5.0}), ("gmf", SMALL))
            for production in (False, True)
        }


def checkpoint(made, phase):
    name = f"{phase}-{made.info['model']}"
    return made.folder / "training" / name / "checkpoints" / "training.npz"


def last_weights(path):
    """Weights of the last epoch, without the states of random layers."""
    with np.load(path, allow_pickle=False) as file:
        count = sum(name.startswith("model_") for name in file.files)
        found = [file[f"model_{number}"] for number in range(count)]
    return [one for one in found if one.dtype.kind == "f"]


# What is kept, and what is said of it


def test_a_baseline_is_fitted_on_all_events_after_it_was_measured(runs):
    made, plain = runs["ease", True], runs["ease", False]
    by_hand = zoo.build("ease", l2=5.0).fit(DATA.everything)
    np.testing.assert_array_equal(made.model.score(USERS), by_hand.score(USERS))
    before = zoo.build("ease", l2=5.0).fit(DATA.train_and_validation)
    expected = ndcg(before.score(USERS), DATA.train_and_validation, DATA.test)
    assert made.info["test"]["ndcg@10"] == pytest.approx(expected, abs=1e-9)
    for key in ("test", "test_intervals", "rows", "test_events", "test_events_seen"):
        assert made.info[key] == plain.info[key], key
    leaked = ndcg(by_hand.score(USERS), DATA.train_and_validation, DATA.test)
    assert leaked > 1.5 * expected


def test_a_network_has_a_third_pass_over_all_events_of_as_many_epochs(fits, tmp_path):
    seen = Recording()
    trainer = trained(
        "gmf", tmp_path, {"gmf_dim": 4}, DATA, run=False, production=True, callbacks=[seen]
    )
    measured, _ = trainer.run()
    assert len(fits) == 2 and measured is fits[1].model
    kept = trainer.train_on_all()
    assert kept is fits[2].model and kept is not measured
    assert positives(fits[2].dataset) == pairs_of(trainer.data.everything)
    assert [one.epochs for one in fits[1:]] == [FOUND.best_epoch] * 2
    assert fits[2].validate is None
    names = ["choose_epochs-gmf", "refit-gmf", "production-gmf"]
    assert [one.run_dir.name for one in fits] == names
    assert all(one.callbacks == [seen] for one in fits)


def test_its_parts_are_trained_on_all_events_too(fits, tmp_path):
    sizes = {"gmf_dim": 4, "mlp_units": (8, 4)}
    trainer = trained("neumf", tmp_path, sizes, DATA, run=False, production=True)
    trainer.run()
    del fits[:]
    trainer.train_on_all()
    assert [one.run_dir.name for one in fits] == [
        f"production-{n}" for n in ("gmf", "mlp", "neumf")
    ]
    everything = pairs_of(trainer.data.everything)
    assert all(positives(one.dataset) == everything for one in fits)


def test_the_numbers_of_a_network_are_those_of_its_refit(runs):
    made, plain = runs["gmf", True], runs["gmf", False]
    for one, other in zip(
        made.model.get_weights(), last_weights(checkpoint(made, "production")), strict=True
    ):
        np.testing.assert_array_equal(one, other)
    before = keras.saving.load_model(made.folder / "model.keras")
    before.set_weights(last_weights(checkpoint(made, "refit")))
    scores = scores_of(before, DATA.train_and_validation)
    known, test = (
        events.matrix().toarray() > 0 for events in (DATA.train_and_validation, DATA.test)
    )
    known[:, 0] = True
    assert_ranked(made.info["test"], scores[1:], known[1:], test[1:], ks=(10,))
    assert made.info["test"] == plain.info["test"]
    assert made.info["training"]["validation"] == plain.info["training"]["validation"]
    assert not np.allclose(scores, scores_of(made.model, DATA.train_and_validation))


@pytest.mark.parametrize("name", ["ease", "gmf"])
def test_the_record_and_the_report_say_so(name, runs):
    made, plain = runs[name, True], runs[name, False]
    said = json.loads((made.folder / "run.json").read_text())
    assert said["training"]["production"] is True and said["options"]["production"] is True
    assert PRODUCTION_NOTE in said["notes"]
    assert "the test part included" in (made.folder / "report.html").read_text()
    assert made.is_production and made.heldout is None
    assert not plain.is_production and pairs_of(plain.heldout) == pairs_of(DATA.test)
    assert "production" not in plain.info["training"] and PRODUCTION_NOTE not in plain.info["notes"]


def test_it_needs_the_refit():
    with pytest.raises(ValueError, match=r"needs `refit`.*\(--production with --no-refit\)"):
        TrainOptions(production=True, refit=False)


# Interruptions


class Killed(Exception):
    pass


@pytest.mark.parametrize("moment", ["production", "measuring", "saving"])
def test_it_goes_on_after_a_kill(moment, runs, tmp_path, monkeypatch):
    def killed(*given, **named):
        raise Killed

    class Stopping(keras.callbacks.Callback):
        passes = 0

        def on_train_begin(self, logs=None):
            self.passes += 1

        def on_epoch_begin(self, epoch, logs=None):
            if moment == "production" and self.passes == 3 and epoch == 1:
                raise Killed

    monkeypatch.setattr("tfrec_fusion.zoo.runs.network_trainer.fit", eagerly)
    target = {"measuring": "yardsticks", "saving": "_report"}.get(moment, "versions")
    with monkeypatch.context() as patch, pytest.raises(Killed):
        if moment != "production":
            patch.setattr(f"tfrec_fusion.zoo.runs.train.{target}", killed)
        train("gmf", TABLES, tmp_path, production=True, callbacks=[Stopping()], **SMALL)
    begun = load_run(tmp_path)  # the measured model, or what is to be measured
    assert begun.info["rows"] == [] and begun.info["test"] == {}
    for one, other in zip(
        begun.model.get_weights(), last_weights(checkpoint(begun, "refit")), strict=True
    ):
        np.testing.assert_array_equal(one, other)
    seen, whole = Recording(), runs["gmf", True]
    made = train("gmf", TABLES, tmp_path, production=True, callbacks=[seen], **SMALL)
    assert seen.began == {"production": [1], "measuring": [0, 1], "saving": []}[moment]
    assert made.info["test"] == whole.info["test"] and made.info["rows"] == whole.info["rows"]
    if moment != "production":  # else the batches of the second epoch come in another order
        for one, other in zip(made.model.get_weights(), whole.model.get_weights(), strict=True):
            np.testing.assert_array_equal(one, other)
    with pytest.raises(FileExistsError, match="holds a finished run already"):
        train("gmf", TABLES, tmp_path, production=True, **SMALL)


def test_a_training_without_it_is_another_one(tmp_path, monkeypatch):
    def killed(*given, **named):
        raise Seen

    with monkeypatch.context() as patch, pytest.raises(Seen):
        patch.setattr("tfrec_fusion.zoo.runs.train.yardsticks", killed)
        train("ease", TABLES, tmp_path)
    with pytest.raises(FileExistsError, match="`production` was False, is now True"):
        train("ease", TABLES, tmp_path, production=True)


# No number of a model on what it was trained on


@pytest.mark.parametrize("name", ["ease", "gmf"])
def test_evaluate_gives_the_numbers_of_the_record(name, runs):
    made, plain = runs[name, True], runs[name, False]
    found = answer("evaluate", made.folder)
    assert found["test"] == made.info["test"] == pytest.approx(plain.info["test"])
    assert found["test_events"] == len(DATA.test)
    assert PRODUCTION_NOTE in found["notes"]
    shown = run("evaluate", made.folder, "--allow-seen", code=2).output
    assert "measured without items already seen: omit --allow-seen" in " ".join(shown.split())


def test_an_unmeasured_production_run_has_no_numbers(runs, tmp_path):
    made = runs["ease", True]
    empty = dataclasses.replace(made, info={**made.info, "test": {}})
    from tfrec_fusion.zoo.runs.measurement import evaluated

    with pytest.raises(ValueError, match=r"on all events.*keeps no numbers of the model before"):
        evaluated(empty)


def test_it_is_no_member_of_an_ensemble(runs, tmp_path):
    folders = [runs["ease", True].folder, runs["gmf", False].folder]
    with pytest.raises(ValueError, match=r"the test part included \(--production\), so an ensem"):
        train_ensemble(folders, tmp_path / "made")
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize("production", [False, True])
def test_an_export_names_no_number_on_what_was_trained_on(production, runs, tmp_path, monkeypatch):
    lines, sizes = [], {"num_users": len(DATA.users), "num_items": len(DATA.items)}
    towers = zoo.build("two_tower", **sizes, dim=4, num_layers=1, history_length=5)
    made = dataclasses.replace(runs["gmf", production], model=towers)
    monkeypatch.setattr(
        "tfrec_fusion.zoo.exports.export_run.export_recommender", lambda *given, **named: None
    )
    export_run(made, tmp_path / "served", index="float32", half=True, say=lines.append)
    numbers = [line for line in lines if "NDCG@10 0." in line]
    if production:
        assert not numbers and any("NDCG@10 is not measured" in line for line in lines)
        assert any("of the exact search" in line for line in lines)
    else:
        assert len(numbers) == 2 and not any("not measured" in line for line in lines)


def test_fine_tuning_holds_out_nothing_that_it_learned_from(runs, tmp_path):
    events = TABLES.interactions.groupby("user_id").head(2)
    more = events.assign(timestamp=TABLES.interactions["timestamp"].max() + 100)
    more["item_id"] = more.groupby("user_id")["item_id"].transform(
        lambda one: one.iloc[::-1].values
    )
    extra = more.assign(user_id="new" + more["user_id"])
    mine = RecData(extra, TABLES.items, name="mine")
    old = set(zip(TABLES.interactions["user_id"], TABLES.interactions["item_id"], strict=True))
    for production in (False, True):
        start = runs["ease", production]
        learned = set(start.trained_pairs.itertuples(index=False, name=None))
        assert (learned == old) == production
        made = fine_tune(start, mine, tmp_path / str(production))
        heldout = {
            pair
            for part in ("validation", "test")
            for pair in zip(
                made.users.id_of(made.parts[part].user),
                made.items.id_of(made.parts[part].item),
                strict=True,
            )
        }
        assert heldout and not heldout & learned
        assert not made.is_production


# Publishing


@pytest.fixture
def package(tmp_path, monkeypatch):
    """Publishes into a folder of its own, and reads no texts."""
    use_without_texts(tmp_path, monkeypatch)
    return tmp_path


def test_a_card_has_the_numbers_of_the_model_before(runs, package, tmp_path):
    made, lines = runs["ease", True], []
    how = {"text": "a toy", "include_events": True, "say": lines.append}
    card = publishing.publish("ease.toy", [made.folder], [], **how)
    assert card.metrics["ndcg@10"][0] == pytest.approx(made.info["test"]["ndcg@10"], abs=1e-5)
    assert any("trained on all events, the test part included" in one for one in card.limits)
    assert " --production " in card.command
    assert lines[0].startswith("NDCG@10 differs by ") and "0." in lines[0]
    leaked = ndcg(made.model.score(USERS), DATA.train_and_validation, DATA.test)
    assert not any(f"{leaked:.3f}" in line for line in lines)
    published = load("ease.toy")
    assert published.run.is_production and published.run.heldout is None
    shown = run("evaluate", "ease.toy").output  # the numbers on its card
    assert f"{card.metrics['ndcg@10'][0]:.4f}" in shown and f"{leaked:.3f}" not in shown


def test_what_is_loaded_of_a_card_must_still_answer_alike(runs, package, tmp_path, monkeypatch):
    worse = zoo.build("popularity").fit(DATA.train)
    monkeypatch.setattr(publishing, "load_half", lambda path: worse)
    how = {"text": "a toy", "include_events": True}
    with pytest.raises(ValueError, match=r"within 0.001. Received: a difference of -0\.\d+ of num"):
        publishing.publish("ease.toy", [runs["ease", True].folder], [], **how)


# The command


def test_the_command_takes_it_for_every_model(runs, tmp_path):
    for name, spec in zoo.specs().items():
        shown = run("train", name, "--help").output
        assert ("--production / --no-production" in shown) and ("--refit" in shown) != (
            spec.is_baseline
        ), name
    folder = tmp_path / "data"
    folder.mkdir()
    for name in ("interactions", "items"):
        getattr(TABLES, name).to_parquet(folder / f"{name}.parquet")
    words = ("--data", folder, "--out", tmp_path / "ease", "--production", "--l2", 5)
    found = answer("train", "ease", *words)
    assert found["training"]["production"] is True
    assert found["test"] == pytest.approx(runs["ease", True].info["test"])
    shutil.rmtree(tmp_path / "ease")
