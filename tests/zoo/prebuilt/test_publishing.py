"""What may be published, and what a card says of it, on runs that take no training."""

from __future__ import annotations

import hashlib
import shlex
from functools import partial
from types import SimpleNamespace

import command_line
import numpy as np
import pytest
import scipy.sparse as sp
from package_folder import use_without_texts

from tfrec_fusion import zoo
from tfrec_fusion.data.indexed import index_data, merge
from tfrec_fusion.data.sources.synthetic import generate
from tfrec_fusion.evaluation.report import ReportRow
from tfrec_fusion.zoo.cli.group import cli
from tfrec_fusion.zoo.prebuilt import card_updates, publishing
from tfrec_fusion.zoo.prebuilt.card import Card, cards
from tfrec_fusion.zoo.prebuilt.load import BrokenPackage, load, open_run
from tfrec_fusion.zoo.prebuilt.publishing import _check_kept, _numbers, _parameters
from tfrec_fusion.zoo.prebuilt.training_command import training_command
from tfrec_fusion.zoo.runs.ensemble import Ensemble
from tfrec_fusion.zoo.runs.run import load_run, save_info
from tfrec_fusion.zoo.runs.train import train

publish = partial(publishing.publish, include_events=True)
TABLES = generate(40, 25, 500, seed=3)
OTHER = generate(40, 25, 500, seed=4)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Three runs of EASE, the second of other hyperparameters, and popularity on two tables."""
    folder = tmp_path_factory.mktemp("runs")
    for name, l2 in (("ease-0", 5.0), ("stiff-0", 500.0), ("ease-1", 5.0)):
        train("ease", TABLES, folder / name, l2=l2)
    for name, tables in (("popularity-0", TABLES), ("elsewhere-0", OTHER)):
        train("popularity", tables, folder / name)
    said = load_run(folder / "ease-1").info
    said["training"]["seconds"] = 2.0
    said["test"]["ndcg@10"] += 0.01  # as though something were drawn
    save_info(folder / "ease-1", said)
    said = load_run(folder / "ease-0").info
    said["training"]["seconds"] = 4.0
    save_info(folder / "ease-0", said)
    return folder


@pytest.fixture(autouse=True)
def package(tmp_path, monkeypatch):
    """Publishes into a folder of its own, and reads no texts."""
    use_without_texts(tmp_path, monkeypatch)
    return tmp_path


def published(runs, name="ease.toy", of=("ease-0", "ease-1"), beside=("popularity-0",)):
    parts = ([runs / one for one in some] for some in (of, beside))
    return publish(name, *parts, text="a toy")


def test_a_card_has_the_numbers_of_all_seeds(runs):
    card = published(runs)
    single = load_run(runs / "ease-0").info["test"]["ndcg@10"]
    mean, low, high = card.metrics["ndcg@10"]
    assert mean == pytest.approx(single + 0.005, abs=1e-5)
    # Student's t with one degree of freedom: 12.706 standard errors of 0.005.
    assert (low, high) == pytest.approx((mean - 0.06353, mean + 0.06353), abs=2e-5)
    assert card.seeds == 2 and card.training_seconds == 3.0
    popular = load_run(runs / "popularity-0").info
    low, high = popular["test_intervals"]["ndcg@10"]
    expected = [popular["test"]["ndcg@10"], low, high]
    assert card.beside["popularity"]["ndcg@10"] == pytest.approx(expected, abs=1e-5)
    assert card.size == (publishing.WEIGHTS / "toy" / "ease.safetensors").stat().st_size
    assert Card.load(publishing.CARDS / "ease.toy.json") == card


def test_runs_must_share_hyperparameters_and_classics_the_data(runs):
    with pytest.raises(ValueError, match="must have the same hyperparameters"):
        published(runs, of=("ease-0", "stiff-0"))
    with pytest.raises(ValueError, match="must have the same data"):
        published(runs, beside=("elsewhere-0",))
    assert not publishing.CARDS.exists()


HOLDS = "500 events of 40 users, with the users' ids, the times and the ratings"


@pytest.mark.parametrize("how", ["python", "no terminal", "no", "yes", "option"])
def test_peoples_events_are_packed_only_when_somebody_agreed(how, runs, package, monkeypatch):
    asked = []

    def confirm(text, default, err):
        asked.append((text, default))
        return how == "yes"

    if how == "python":
        with pytest.raises(ValueError, match=f"would hold {HOLDS};.*`include_events=True`"):
            publishing.publish("ease.toy", [runs / "ease-0"], [], text="a toy")
    else:
        monkeypatch.setattr("tfrec_fusion.zoo.cli.prebuilt.click.confirm", confirm)
        monkeypatch.setattr(
            "tfrec_fusion.zoo.cli.prebuilt._on_a_terminal", lambda: how in ("yes", "no")
        )
        given = ["publish", "ease.toy", runs / "ease-0", "--summary", "a toy"]
        agreed = how in ("yes", "option")
        given += ["--with-events"] if how == "option" else []
        done = command_line.run(*given, code=0 if agreed else 2)
        assert asked == (
            [(f"The package will hold {HOLDS}. Pack them?", False)] if how in ("yes", "no") else []
        )
        if not agreed:
            assert f"would hold {HOLDS}" in done.stderr and "--with-events" in done.stderr
    written = sorted(one.name for one in package.rglob("*") if one.is_file())
    if how in ("yes", "option"):
        assert {"ease.toy.json", "events.npz", "users.json"} <= set(written)
    else:
        assert not written


def test_a_card_under_another_name_is_refused(runs):
    published(runs)
    (publishing.CARDS / "ease.toy.json").rename(publishing.CARDS / "ease.tot.json")
    with pytest.raises(ValueError, match=r"must be the card of ease\.tot\. Got: ease\.toy"):
        cards()


def test_a_folder_comes_before_the_prebuilt_model_of_its_name(runs, tmp_path, monkeypatch):
    published(runs)
    monkeypatch.chdir(tmp_path)
    assert open_run("ease.toy").folder == publishing.WEIGHTS / "toy"
    (tmp_path / "ease.toy").symlink_to(runs / "stiff-0")
    assert open_run("ease.toy").info["hyperparameters"] == {"l2": 500.0}


# The check of what is kept

DATA = index_data(TABLES)


class Table:
    """Scores by a table."""

    def __init__(self, scores):
        self.score = lambda users: scores[users]


def run_of(scores):
    parts = {name: getattr(DATA, name) for name in ("train", "validation", "test")}
    known = merge(parts["train"], parts["validation"])
    everything = SimpleNamespace(known=merge(*parts.values()))
    model = {"folder": "run", "model": Table(scores), "recommender": everything}
    return SimpleNamespace(parts=parts, known_at_test=known, is_production=False, **model)


def demoted(scores, users):
    """The same, but that a few users' test items come last."""
    worse = scores.copy()
    for user in users:
        worse[user, DATA.test.item[DATA.test.user == user]] = scores.min() - 1
    return worse


def test_what_is_kept_must_answer_as_the_run_does():
    rng = np.random.default_rng(0)
    scores = rng.normal(size=(len(DATA.users), len(DATA.items)))
    user = int(DATA.test.user[0])
    scores[user, DATA.test.item[DATA.test.user == user]] = 9  # found first
    worse, said = demoted(scores, [user]), []
    _check_kept(run_of(scores), Table(scores + 1e-9), said.append)
    with pytest.raises(ValueError, match=r"within 0\.001"):
        _check_kept(run_of(scores), Table(worse), said.append)
    with pytest.raises(ValueError, match=r"within 0\.001"):
        _check_kept(run_of(worse), Table(scores), said.append)
    before, after = (float(word.rstrip(",")) for word in said[1].split() if word[:2] == "0.")
    assert 1e-3 < before - after <= 1 / len(np.unique(DATA.test.user)) + 1e-4


def test_the_file_is_checked_not_the_model_in_memory(runs, monkeypatch):
    worse = zoo.build("popularity").fit(DATA.train)
    monkeypatch.setattr(publishing, "load_half", lambda path: worse)
    with pytest.raises(ValueError, match=r"must keep the NDCG@10 of .*ease-0"):
        published(runs)
    assert not list((publishing.WEIGHTS / "toy").glob("ease*"))


# What a card says


def test_members_that_count_nothing_are_left_out(runs):
    info = {
        "model": "ensemble",
        "weights": {"ease": 0.75, "two_tower": 0.0, "popularity": 0.25},
        "members": {
            name: {"run": f"runs/{name}-0"} for name in ("ease", "two_tower", "popularity")
        },
    }
    found = publishing._members(SimpleNamespace(info=info), "toy")
    assert found == {"ease.toy": 0.75, "popularity.toy": 0.25}
    assert publishing._members(load_run(runs / "ease-0"), "toy") == {}


def test_parameters_are_those_of_members_that_count():
    ease, popular = (zoo.build(name).fit(DATA.train) for name in ("ease", "popularity"))
    both = Ensemble({"ease": ease, "popularity": popular}, {"ease": 1.0, "popularity": 0.0})
    assert _parameters(both) == _parameters(ease)
    assert _parameters(popular) > len(DATA.items)


def test_intervals_are_kept_and_what_has_none_is_its_own():
    row = ReportRow("a", {"ndcg@10": 0.123456, "auc": 0.5}, {"ndcg@10": (0.1, 0.2)})
    assert _numbers(row) == {"ndcg@10": [0.12346, 0.1, 0.2], "auc": [0.5, 0.5, 0.5]}


def test_a_cards_command_says_what_is_not_the_default():
    options = {"split": "temporal", "seed": 0, "epochs": 7, "refit": False, "progress": True}
    options |= {"item_features": ["genres", "year"]}
    options |= {"pretrain": False, "offer_new_items": True, "text_preset": "x"}  # of other models
    info = {
        "model": "two_tower",
        "data": {"name": "my films"},
        "hyperparameters": {"dim": 8, "num_layers": 1},
        "options": options,
    }
    words = shlex.split(training_command("two_tower.toy", info, {}))
    assert words[:5] == ["tfrec-zoo", "train", "two_tower", "--data", "my films"]
    assert words[-2:] == ["--out", "runs/two_tower.toy-0"]
    chosen = " ".join(words[5:-2])
    expected = ["--dim 8", "--epochs 7", "--no-refit", "--item-features genres,year"]
    assert all(one in chosen for one in expected)
    assert not any(one in chosen for one in ("--seed", "--split", "num-layers"))
    assert not any(one in chosen for one in ("pretrain", "offer", "preset"))


CHOSEN = {
    "two_tower": (
        {"dim": 8, "encoder": "gru", "num_hard_negatives": 3, "correct_sampling": False},
        {"item_features": ["genres", "year"], "strategy": "mirrored", "split": "cold_item"},
    ),
    "neumf": ({"mlp_units": [16, 8], "l2": 0.1}, {"pretrain": False, "adversarial_epsilon": 0.5}),
    "multi_task": (
        {"tasks": ["rating", "sentiment"], "expert_units": [8]},
        {
            "loss_weights": {"logits": 0.1, "rating": 2.0},
            **{"balance": "dwa", "weigh_scores": True, "word_dropout": 0.1, "part_epochs": 2},
        },
    ),
    "gpt2_hybrid": (
        {"text_mode": "lora", "fusion": "gated"},
        {"offer_new_items": True, "text_length": 32, "label_smoothing": 0.1, "seed": 3},
    ),
}


@pytest.mark.parametrize("model", CHOSEN)
def test_a_cards_command_is_read_by_the_command_line_as_it_was_meant(model):
    hyperparameters, options = CHOSEN[model]
    info = {"model": model, "data": {"name": "my films"}}
    info |= {"hyperparameters": hyperparameters, "options": options}
    words = shlex.split(training_command(f"{model}.toy", info, {}))
    assert words[:3] == ["tfrec-zoo", "train", model]
    command = cli.commands["train"].get_command(None, model)
    read = command.make_context(model, words[3:]).params
    read["loss_weights"] = dict(read.get("loss_weights", ()))
    for key, value in (hyperparameters | options).items():
        assert read[key] == (tuple(value) if isinstance(value, list) else value), key


def test_a_cards_command_of_a_run_of_version_0_1_is_in_the_words_of_this_one():
    info = {
        "model": "profile_semantics_behaviour",
        "data": {"name": "my films"},
        "hyperparameters": {"tasks": ["profile", "behaviour"]},
        "options": {"text_preset": "minilm"},
    }
    config = zoo.get_spec(info["model"]).make_config(
        num_users=2, num_items=2, text_dim=3, num_words=4, **info["hyperparameters"]
    )
    model = SimpleNamespace(config=config, name="", input={}, output={}, layers=[])
    found = training_command("mine.toy", info, {}, model)
    assert found == (
        "tfrec-zoo train profile_fusion --data 'my films' --tasks profile,behavior "
        "--out runs/mine.toy-0"
    )
    info |= {"model": "knowledge_hybrid", "hyperparameters": {"num_neighbours": 8}}
    assert " --num-neighbors 8 --out " in training_command("mine.toy", info, {})


def test_a_card_knows_the_length_that_its_language_model_reads():
    said = {name: "" for name in Card.__dataclass_fields__}
    options = {"text_preset": "minilm", "text_length": 48}
    of_texts = Card(**{**said, "options": options, "licenses": {"language_model": "Apache"}})
    assert of_texts.language_model == ("minilm", 48)
    assert Card(**{**said, "options": options, "licenses": {}}).language_model is None


def test_sparse_weights_of_a_classic_are_counted():
    model = zoo.build("ease", kept=2).fit(DATA.train)
    assert sp.issparse(model._matrices["weights"])
    assert _parameters(model) < 6 * len(DATA.items) + 3 * len(DATA.train) + 100


def test_cards_follow_texts_that_are_read_anew(runs, monkeypatch):
    published(runs)
    published(runs, "popularity.toy", ["popularity-0"], ())
    before = cards()["ease.toy"].files
    assert card_updates.read_texts_again() == []  # nothing has changed
    anew = hashlib.sha256(b"anew").hexdigest()
    monkeypatch.setattr(
        "tfrec_fusion.zoo.prebuilt.query_texts._save_vectors",
        lambda run, path: path.write_bytes(b"anew"),
    )
    monkeypatch.setattr("tfrec_fusion.zoo.prebuilt.query_texts.READER_LENGTH", 3)
    path = publishing.WEIGHTS / "toy" / f"texts-{anew[:12]}.safetensors"
    assert card_updates.read_texts_again() == [path]
    for name in ("ease.toy", "popularity.toy"):
        card = cards()[name]
        assert card.reader["texts"] == f"toy/{path.name}" and card.reader["max_length"] == 3
        assert card.files[f"toy/{path.name}"] == anew and "toy/texts.safetensors" not in card.files
    kept = {name: digest for name, digest in before.items() if "texts" not in name}
    assert kept.items() < cards()["ease.toy"].files.items()
    assert not (publishing.WEIGHTS / "toy" / "texts.safetensors").exists()


@pytest.mark.parametrize("name", ["users.json", "events.npz", "ease.safetensors"])
def test_a_byte_more_in_any_file_is_noticed(name, runs):
    published(runs)
    load("ease.toy")
    with (publishing.WEIGHTS / "toy" / name).open("ab") as file:
        file.write(b" ")
    with pytest.raises(BrokenPackage, match=rf"{name} was changed: .*\. ease\.toy is read from it"):
        load("ease.toy")


def test_wishes_of_a_user_are_ordered_by_taste_and_titles_found_in_any_case(runs):
    published(runs)
    model, asked = load("ease.toy"), []
    answer = model.answers.recommend("u01", 1, allow_seen=True)

    def search(*given, allowed):
        asked.append(given)
        return answer

    model.__dict__["_search"] = SimpleNamespace(search=search)
    model.recommend(text="robots", k=3)
    model.recommend(model.users[0], text="robots", k=4)
    assert asked == [("robots", 3), ("robots", 4, model.answers, model.users[0])]
    item = model.items.iloc[4]
    expected = model.similar(item["item_id"], 3)["item_id"].tolist()
    assert model.similar(item["title"].swapcase(), 3)["item_id"].tolist() == expected
