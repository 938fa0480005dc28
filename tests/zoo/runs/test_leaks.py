"""Nothing of the test part, or of validation, reaches what is trained or chosen without it.

Each model is trained on tables that differ in their test rows alone, and in their validation rows
alone: whatever must not depend on those rows is equal to the bit.
"""

import dataclasses
import json

import keras
import numpy as np
import pytest
from leak_tables import OTHER_WORDS, WORDS, tables
from model_keywords import NETWORKS, SIZES, keywords_for
from quick_training import eagerly, one_encoder, without_pictures  # noqa: F401 (fixtures)
from reference_protocol import assert_ranked
from tiny_bert import save_tiny_bert

from tfrec_fusion import zoo
from tfrec_fusion.text.encoding import item_vectors
from tfrec_fusion.training.checkpoint import best_weights
from tfrec_fusion.zoo.runs.ensembling import before_refit, train_ensemble
from tfrec_fusion.zoo.runs.run import PARTS
from tfrec_fusion.zoo.runs.train import train

# Few steps: some models' own batches are small.
BATCHES = {"two_tower": 64, "gpt2_hybrid": 64, "knowledge_hybrid": 64, "multi_task": 128}
# What is chosen after training, too.
FURTHER = {
    "gpt2_hybrid": {"offer_new_items": True},
    "multi_task": {"weigh_scores": True},
    "neumf": {"part_epochs": 1},  # or validation would choose the weights that it starts from
}
every_model = pytest.mark.parametrize("name", zoo.list_models())


@pytest.fixture(scope="module")
def preset(tmp_path_factory):
    texts = (*WORDS, OTHER_WORDS, *tables().items["text"])
    return save_tiny_bert(tmp_path_factory.mktemp("preset") / "tiny_bert", texts)


@pytest.fixture(scope="module")
def trained(tmp_path_factory, preset):
    """Runs by model and by the part whose rows are others, each trained once."""
    folder, runs = tmp_path_factory.mktemp("runs"), {}
    item_vectors.item_encoder(preset, None)  # now: the weights it draws come after no seed

    def run(name, changed=None):
        if (name, changed) not in runs:
            options = {"epochs": 2, "refit": changed != "validation", **FURTHER.get(name, {})}
            options |= {"batch_size": BATCHES[name]} if name in BATCHES else {}
            options |= keywords_for(name, text_preset=preset)
            with pytest.MonkeyPatch.context() as patch:
                patch.setenv("TFREC_FUSION_CACHE", str(folder / "cache"))
                patch.setattr("tfrec_fusion.zoo.runs.network_trainer.fit", eagerly)
                runs[name, changed] = train(
                    name,
                    tables(changed),
                    folder / f"{name}-{changed}",
                    progress=False,
                    **options,
                    **SIZES.get(name, {}),
                )
        return runs[name, changed]

    return run


def weights(run):
    if isinstance(run.model, keras.Model):
        return run.model.get_weights()
    return list(run.model.arrays().values())


def assert_equal(ones, others):
    for one, other in zip(ones, others, strict=True):
        np.testing.assert_array_equal(one, other)


def checkpoint(run, phase):
    folder = run.folder / "training" / f"{phase}-{run.info['model']}"
    return folder / "checkpoints" / "training.npz"


def of_training(history):
    return {name: values for name, values in history.items() if not name.startswith("val_")}


def dense(events):
    return events.matrix().toarray() > 0


@every_model
def test_other_test_rows_change_nothing_that_is_trained_or_chosen(name, trained):
    one, other = trained(name), trained(name, "test")
    assert one.info["test"] != other.info["test"]
    assert_equal(weights(one), weights(other))
    mine, its = (dict(run.info["training"]) for run in (one, other))
    mine.pop("seconds"), its.pop("seconds")
    assert mine == its


@every_model
def test_other_validation_rows_change_nothing_of_the_first_pass(name, trained):
    if name not in NETWORKS:
        return  # fitted once, on train and validation
    one, other = trained(name), trained(name, "validation")
    mine, its = one.info["training"], other.info["training"]
    assert of_training(mine["history"]) == of_training(its["history"])
    assert mine["validation"] != its["validation"]
    checkpoints = [checkpoint(run, "choose_epochs") for run in (one, other)]
    last = [np.load(path, allow_pickle=False) for path in checkpoints]
    names = [key for key in last[0].files if key.startswith(("model_", "optimizer_"))]
    if not FURTHER.get(name):  # new items are placed before validation, by training events alone
        assert_equal([last[0][key] for key in names], [last[1][key] for key in names])
    best = [best_weights(path) for path in checkpoints]
    if mine["best_epoch"] == its["best_epoch"]:
        assert_equal(*best)


@every_model
def test_a_runs_test_numbers_are_those_of_its_saved_model(name, trained):
    run = trained(name)
    users = np.arange(len(run.users))
    score = getattr(run.model, "score", None)
    if score is None:
        saved = keras.saving.load_model(run.folder / "model.keras")
        score = saved.score_model(run.known_at_test)
        scores = score({"user_id": users})["scores"].numpy()
    else:
        scores = score(users)
    known, test = dense(run.known_at_test), dense(run.parts["test"])
    known[:, 0] = True
    assert_ranked(run.info["test"], scores[1:], known[1:], test[1:], ks=(10,))


@every_model
def test_a_networks_validation_and_epochs_are_those_of_its_checkpoints(name, trained):
    if name not in NETWORKS:
        return  # nothing is chosen
    run = trained(name)
    training, (train_part, validation) = run.info["training"], (run.parts[p] for p in PARTS[:2])
    epoch, values = training["best_epoch"], training["history"]
    ((monitor, best),) = training["validation"].items()
    assert (
        best == values[f"val_{monitor}"][epoch - 1] == max(filter(None, values[f"val_{monitor}"]))
    )
    with np.load(checkpoint(run, "refit"), allow_pickle=False) as file:
        assert len(json.loads(file["record"].tobytes())["history"]["loss"]) == epoch
    if training.get("score_weights", {}).get("language", 1) == 1:
        scores = before_refit(run, train_part)(np.arange(len(run.users)))
        known, wanted = dense(train_part), dense(validation)
        known[:, 0] = True
        chosen = {name.removeprefix("val_"): value[epoch - 1] for name, value in values.items()}
        assert_ranked(chosen, scores[1:], known[1:], wanted[1:], ks=(10,))


def test_an_ensemble_weights_its_members_as_they_are_served(trained):
    run = trained("multi_task")
    weights = {"behavior": 1.0, "language": 3.0}
    training = {**run.info["training"], "score_weights": weights}
    train_part, users = run.parts["train"], np.arange(len(run.users))
    chosen = before_refit(
        dataclasses.replace(run, info={**run.info, "training": training}), train_part
    )
    model = keras.saving.load_model(run.folder / "model.keras")
    model.set_weights(best_weights(checkpoint(run, "choose_epochs")))
    plain = model.score_model(train_part)({"user_id": users})["scores"].numpy()
    model.set_score_weights(**weights)
    expected = model.score_model(train_part)({"user_id": users})["scores"].numpy()
    np.testing.assert_allclose(chosen(users), expected, atol=1e-5)
    assert np.abs(plain - expected).max() > 1e-3


def test_the_baselines_beside_a_run_know_train_and_validation_alone(trained):
    run = trained("popularity")
    known, test = dense(run.known_at_test).astype(float), dense(run.parts["test"])
    gram = known.T @ known + 200 * np.eye(known.shape[1])
    inverse = np.linalg.inv(gram)
    ease = -inverse / np.diag(inverse)
    np.fill_diagonal(ease, 0)
    counts = np.bincount(run.known_at_test.item, minlength=known.shape[1])
    rows = {row["model"]: row["metrics"] for row in run.info["rows"]}
    masked = known > 0
    masked[:, 0] = True
    popularity = np.tile(counts, (len(known), 1))
    for name, scores, rounding in (("popularity", popularity, 0), ("ease", known @ ease, 1e-7)):
        received = rows[f"{name} (classic)"]
        assert_ranked(received, scores[1:], masked[1:], test[1:], (10,), rounding)


def test_other_test_rows_change_no_weight_of_an_ensemble(trained, tmp_path):
    names = ("ease", "two_tower", "popularity")
    made = []
    for changed in (None, "test"):
        folders = [trained(name, changed).folder for name in names]
        made.append(train_ensemble(folders, tmp_path / f"ensemble-{changed}"))
    one, other = made
    assert one.info["weights"] == other.info["weights"]
    assert one.info["training"]["validation"] == other.info["training"]["validation"]
    assert one.info["test"] != other.info["test"]
