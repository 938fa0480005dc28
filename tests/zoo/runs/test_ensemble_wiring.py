"""Which models choose an ensemble's weights, on which part, and what is said of the result."""

from __future__ import annotations

import dataclasses
import json
import shutil
from types import SimpleNamespace

import keras
import numpy as np
import pytest
from older_run import without_checksums
from watched_training import ndcg, scores_of

from tfrec_fusion import zoo
from tfrec_fusion.data.indexed import index_data, merge
from tfrec_fusion.data.sources.synthetic import generate
from tfrec_fusion.training.checkpoint import Record, save_checkpoint
from tfrec_fusion.zoo.runs.ensemble import Ensemble
from tfrec_fusion.zoo.runs.ensembling import _chosen_weights, before_refit, train_ensemble
from tfrec_fusion.zoo.runs.run import load_run
from tfrec_fusion.zoo.runs.train import train

TABLES = generate(60, 30, 1000, seed=8)
DATA = index_data(TABLES)
SIZES = {"num_users": len(DATA.users), "num_items": len(DATA.items)}
CLASSICS = {"ease": {"l2": 5.0}, "item_knn": {"k": 4}, "popularity": {}}


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    for name, chosen in CLASSICS.items():
        train(name, TABLES, folder / name, **chosen)
    return folder


def standard(scores):
    """Standard scores over a user's items, 0 for the unseen item."""
    own = scores[:, 1:]
    own = (own - own.mean(1, keepdims=True)) / (own.std(1, keepdims=True) + 1e-9)
    return np.pad(own, ((0, 0), (1, 0)))


def reciprocal(scores):
    """Reciprocal ranks over a user's items, 0 for the unseen item."""
    rank = np.argsort(np.argsort(-scores[:, 1:], axis=1, kind="stable"), axis=1, kind="stable")
    return np.pad(61 / (61 + rank), ((0, 0), (1, 0)))


SCALED = {"scores": standard, "ranks": reciprocal}


def selected(scores, rounds=20):
    """Ensemble selection as in its paper: the member that helps most, again and again."""
    counts, best = np.zeros(len(scores)), (-1.0, None)
    for _ in range(rounds):
        tried = []
        for member in range(len(scores)):
            more = counts + (np.arange(len(scores)) == member)
            total = np.tensordot(more, scores, axes=1)
            tried.append((ndcg(total, DATA.train, DATA.validation), member))
        value, member = max(tried, key=lambda one: (one[0], -one[1]))
        counts[member] += 1
        if value > best[0]:
            best = (value, counts / counts.sum())
    return best


@pytest.fixture(scope="module")
def made(runs, tmp_path_factory):
    folder = tmp_path_factory.mktemp("made") / "ensemble"
    return train_ensemble([runs / name for name in CLASSICS], folder)


@pytest.fixture(scope="module")
def by_hand():
    """By scale the value on validation and the weights, from models of the train part alone."""
    users = np.arange(len(DATA.users))
    members = [zoo.build(name, **chosen).fit(DATA.train) for name, chosen in CLASSICS.items()]
    scores = [member.score(users) for member in members]
    return {scale: selected([f(one) for one in scores]) for scale, f in SCALED.items()}


def test_weights_are_chosen_on_validation_by_models_of_the_train_part(made, by_hand):
    scale = max(by_hand, key=lambda one: by_hand[one][0])
    value, weights = by_hand[scale]
    assert made.info["scale"] == scale
    assert made.info["training"]["validation"]["ndcg@10"] == pytest.approx(value, abs=1e-6)
    assert list(made.info["weights"].values()) == pytest.approx(weights.tolist())


@pytest.mark.parametrize("scale", ["scores", "ranks"])
def test_a_scale_that_is_asked_for_is_taken(scale, runs, by_hand, tmp_path):
    found = train_ensemble([runs / name for name in CLASSICS], tmp_path / "made", scale=scale)
    value, weights = by_hand[scale]
    assert found.info["scale"] == load_run(tmp_path / "made").model.scale == scale
    assert found.info["training"]["validation"]["ndcg@10"] == pytest.approx(value, abs=1e-6)
    assert list(found.info["weights"].values()) == pytest.approx(weights.tolist())


def test_the_test_part_is_measured_with_refitted_members(made):
    known, users = DATA.train_and_validation, np.arange(len(DATA.users))
    weights, scaled = made.info["weights"], SCALED[made.info["scale"]]
    total = sum(
        weights[name] * scaled(zoo.build(name, **chosen).fit(known).score(users))
        for name, chosen in CLASSICS.items()
    )
    expected = ndcg(total, known, DATA.test)
    assert made.info["test"]["ndcg@10"] == pytest.approx(expected, abs=1e-6)
    rows = {row["model"]: row["metrics"] for row in made.info["rows"]}
    classics = ["popularity (classic)", "ease (classic)"]
    assert list(rows) == [*classics, *CLASSICS, "ensemble"]
    for name in CLASSICS:
        single = zoo.build(name, **CLASSICS[name]).fit(known).score(users)
        assert rows[name]["ndcg@10"] == pytest.approx(ndcg(single, known, DATA.test), abs=1e-9)


def test_the_best_weights_are_kept_not_the_last():
    """One member is enough for the best list; nothing that is added later helps."""
    users = np.arange(1, 4)
    train, heldout = (
        SimpleNamespace(matrix=lambda values=cells: _matrix(values)) for cells in ((0, 1), (0, 2))
    )
    good, bad = np.zeros((3, 12), np.float32), np.zeros((3, 12), np.float32)
    good[:, [0, 1, 2]], bad[:, 5] = (99, 9, 5), 1  # the unseen, a known and the held-out item
    weights, value = _chosen_weights(np.stack([bad, good]), users, train, heldout, "ranks")
    assert value == 1 and weights.tolist() == [0, 1]


def _matrix(cells):
    import scipy.sparse as sp

    dense = np.zeros((4, 12))
    dense[1:, cells[1]] = 1
    return sp.csr_matrix(dense)


def test_runs_of_another_split_are_refused(runs, tmp_path):
    train("popularity", TABLES, tmp_path / "other", split="leave_one_out")
    with pytest.raises(ValueError, match=r"data and split.*`split` was .*20%.*, is now .*last ev"):
        train_ensemble([runs / "ease", tmp_path / "other"], tmp_path / "made")


def test_runs_of_other_parts_are_refused(runs, tmp_path):
    """The same tables, named as the same split, but divided otherwise."""
    shutil.copytree(runs / "popularity", tmp_path / "other")
    path = tmp_path / "other" / "events.npz"
    with np.load(path) as arrays:
        events = dict(arrays)
    place = np.searchsorted(events["train.user"], events["validation.user"][0])
    for column in ("user", "item", "rating", "timestamp"):
        train, validation = (events[f"{part}.{column}"] for part in ("train", "validation"))
        events[f"train.{column}"] = np.insert(train, place, validation[0])
        events[f"validation.{column}"] = validation[1:]
    np.savez_compressed(path, **events)
    without_checksums(path.parent)
    with pytest.raises(ValueError, match="must have the same parts"):
        train_ensemble([runs / "ease", tmp_path / "other"], tmp_path / "made")


# Networks


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    """A run of a network whose first pass had other weights than the model that is kept."""
    folder = tmp_path_factory.mktemp("network")
    keras.utils.set_random_seed(1)
    first, kept = (
        zoo.build("two_tower", **SIZES, dim=4, num_layers=1, history_length=5) for _ in range(2)
    )
    first.compile("sgd", "mse")
    path = folder / "training" / "choose_epochs-two_tower" / "checkpoints" / "training.npz"
    path.parent.mkdir(parents=True)
    counters = [np.zeros(3, np.float32)]  # of balanced losses, in front of the model's weights
    save_checkpoint(path, first, Record(), [*counters, *first.get_weights()])
    kept.save(folder / "model.keras")
    return folder, first


def test_a_network_is_asked_as_it_was_before_its_refit(network):
    folder, first = network
    parts = {"train": DATA.train, "validation": DATA.validation}
    known = merge(*parts.values())
    info = {"model": "two_tower", "training": {}, "options": {}}
    run = SimpleNamespace(folder=folder, info=info, parts=parts, known_at_test=known)
    found = before_refit(run, DATA.train)(np.arange(len(DATA.users)))
    np.testing.assert_allclose(found, scores_of(first, DATA.train), rtol=1e-5, atol=1e-6)
    assert np.abs(found - scores_of(first, known)).max() > 1e-3  # histories tell the parts apart


def test_members_read_what_is_known_now_and_those_that_count_nothing_are_not_asked():
    class Silent:
        def score_model(self, known=None, frozen=False):
            raise AssertionError("counts nothing")

    model = zoo.build("ease").fit(DATA.train)
    now = dataclasses.replace(DATA.everything)
    other = zoo.build("popularity").fit(DATA.train)
    weights = {"silent": 0.0, "ease": 0.75, "popularity": 0.25}
    made = Ensemble({"silent": Silent(), "ease": model, "popularity": other}, weights, "ranks")
    expected = sum(
        weight * reciprocal(scores_of(one, now)) for one, weight in ((model, 0.75), (other, 0.25))
    )
    np.testing.assert_allclose(scores_of(made, now), expected, rtol=1e-5)
    assert not np.allclose(scores_of(made, now), scores_of(made, None or DATA.train))
    similar = np.asarray(made.similarity_model()({"item_id": np.array([3])})["scores"])
    own = np.asarray(model.similarity_model()({"item_id": np.array([3])})["scores"])
    np.testing.assert_allclose(similar, reciprocal(own), rtol=1e-5)


def test_a_member_without_histories_takes_no_weight_from_the_others():
    """Weights of scores that are shifted apart tell which member has which."""
    knn, ease = (zoo.build(name).fit(DATA.train) for name in ("item_knn", "ease"))
    weights = {"popularity": 0.7, "item_knn": 0.2, "ease": 0.1}
    popular = zoo.build("popularity").fit(DATA.train)
    made = Ensemble({"popularity": popular, "item_knn": knn, "ease": ease}, weights)
    history = {"history": np.array([[3, 5, 9]])}
    expected = sum(
        weight * standard(np.asarray(one.history_model()(history)["scores"]))
        for one, weight in ((knn, 2 / 3), (ease, 1 / 3))
    )
    received = np.asarray(made.history_model()(history)["scores"])
    np.testing.assert_allclose(received, expected, rtol=1e-4, atol=1e-5)


def test_what_a_run_says_is_read_back(made):
    said = json.loads((made.folder / "run.json").read_text())
    assert said["members"]["ease"]["model"] == "ease"
    assert dict(made.model.weights) == said["weights"]
    assert made.model.members["ease"].l2 == 5.0


@pytest.mark.parametrize("better", ["scores", "ranks"])
def test_the_better_scale_on_validation_is_taken(better, runs, tmp_path, monkeypatch):
    def chosen(scores, users, train, heldout, scale, allow_seen):
        return np.array([0.25, 0.75]), 0.5 if scale == better else 0.25

    monkeypatch.setattr("tfrec_fusion.zoo.runs.ensembling._chosen_weights", chosen)
    found = train_ensemble([runs / "ease", runs / "popularity"], tmp_path / "made")
    assert found.info["scale"] == found.model.scale == better
    assert found.info["training"]["validation"] == {"ndcg@10": 0.5}
    assert found.info["weights"] == {"ease": 0.25, "popularity": 0.75}
