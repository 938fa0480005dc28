"""Text in the commands and answers: hybrid runs, histories, reasons, search by meaning."""

import json

import keras_hub
import numpy as np
import pandas as pd
import pytest
from command_line import answer, run
from quick_training import one_encoder, without_graphs, without_pictures  # noqa: F401 (fixtures)
from reference_run import assert_measured

from tfrec_fusion.data.indexed import index_data
from tfrec_fusion.data.tables.item_texts import joined_texts
from tfrec_fusion.data.tables.rec_data import from_frames
from tfrec_fusion.data.vocabulary import Vocabulary
from tfrec_fusion.text.encoding.encoder import TextEncoder
from tfrec_fusion.text.interests.user_words import user_words
from tfrec_fusion.zoo.answers.semantic_search import SemanticSearch, fused_ranks
from tfrec_fusion.zoo.runs.run import BrokenRun, load_run

GENRES = {"robots": "a robot learns to love", "war": "soldiers at war", "songs": "a night of songs"}
WORDS = sorted({word for text in GENRES.values() for word in text.split()})
SMALL = ["--dim", 8, "--history-length", 6, "--epochs", 1, "--text-components", 4, "--no-refit"]


@pytest.fixture(scope="module")
def tables():
    rng = np.random.default_rng(0)
    names = list(GENRES)
    items = pd.DataFrame({"item_id": [f"i{n}" for n in range(24)]})
    items["title"] = "Film " + items["item_id"]
    items["text"] = [f"{GENRES[names[n % 3]]} number {n}" for n in range(24)]
    rows = []
    for user in range(30):
        liked = rng.permutation([n for n in range(24) if n % 3 == user % 3 or rng.random() < 0.2])
        for time, n in enumerate(liked[:9]):
            good = n % 3 == user % 3
            text = f"I like {names[n % 3]} and this one is fine" if good else "not for me"
            rows.append((f"u{user}", f"i{n}", 5.0 if good else 2.0, time, text))
    columns = ["user_id", "item_id", "rating", "timestamp", "text"]
    return from_frames(pd.DataFrame(rows, columns=columns), items, name="films")


@pytest.fixture(scope="module")
def folder(tables, tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    tables.interactions.to_parquet(folder / "interactions.parquet")
    tables.items.to_parquet(folder / "items.parquet")
    return folder


@pytest.fixture(scope="module")
def preset(tmp_path_factory):
    folder = tmp_path_factory.mktemp("preset") / "tiny_bert"
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS]
    keras_hub.tokenizers.BertTokenizer(vocabulary=vocabulary, lowercase=True).save_to_preset(folder)
    sizes = {"num_layers": 1, "num_heads": 2, "hidden_dim": 16, "intermediate_dim": 16}
    backbone = keras_hub.models.BertBackbone(vocabulary_size=len(vocabulary), **sizes)
    backbone.save_to_preset(folder)
    return folder


@pytest.fixture(autouse=True, scope="module")
def cache(tmp_path_factory):
    patch = pytest.MonkeyPatch()
    patch.setenv("TFREC_FUSION_CACHE", str(tmp_path_factory.mktemp("cache")))
    yield
    patch.undo()


@pytest.fixture(scope="module")
def hybrid(folder, preset, tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "hybrid"
    arguments = ["--query", "user_id+history", "--text-preset", preset, *SMALL]
    run("train", "gpt2_hybrid", "--data", folder, "--out", out, *arguments)
    return out


def test_a_hybrid_trains_answers_and_exports(hybrid, tables, tmp_path):
    info = json.loads((hybrid / "run.json").read_text())
    for said in (info, answer("evaluate", hybrid)):
        assert_measured(said["test"], hybrid, tables.interactions)
    assert load_run(hybrid).model.config.user_text_dim == 16  # users' own words were read
    items = answer("recommend", hybrid, "--user-id", "u1", "-k", 4)["items"]
    known = set(tables.interactions.query("user_id == 'u1'")["item_id"])
    assert len(items) == 4 and not known & {item["item_id"] for item in items}
    exported = answer("export", hybrid, "--to", tmp_path / "served", "-k", 3, "-k", 5)
    assert exported["max_abs_difference"] <= 1e-5
    texts = {"search", "search_5", "score_text", "embed_items"}
    assert texts | {"recommend_from_history"} <= set(exported["signatures"])


def test_reasons_are_what_the_user_wrote_of_and_the_item_has(hybrid):
    items = answer("recommend", hybrid, "--user-id", "u0", "-k", 10, "--why")["items"]
    robots = [item for item in items if int(item["item_id"][1:]) % 3 == 0]
    assert robots and all(set(item["why"]) & {"robots", "robot", "love"} for item in robots)
    assert "because of: " in run("recommend", hybrid, "--user-id", "u0", "--why").stdout
    recommender = load_run(hybrid).recommender
    assert recommender.reasons("nobody", "i3") == []


def test_somebody_new_is_answered_by_history(hybrid, folder, tmp_path):
    items = answer("recommend", hybrid, "--history", "i0,i3", "-k", 5)["items"]
    assert len(items) == 5 and not {"i0", "i3"} & {item["item_id"] for item in items}
    refused = run("recommend", hybrid, "--history", "i0,zz", code=2).stderr
    assert "'zz' is neither an id nor a title of the catalog" in refused
    run("train", "ease", "--data", folder, "--out", tmp_path / "ease")
    best = answer("recommend", tmp_path / "ease", "--history", "i0,i3", "-k", 3)["items"]
    assert all(int(item["item_id"][1:]) % 3 == 0 for item in best)
    run("train", "popularity", "--data", folder, "--out", tmp_path / "popularity")
    refused = run("recommend", tmp_path / "popularity", "--history", "i0", code=2).stderr
    assert "knows people by their ids alone" in refused
    assert "Give --user-id" in run("recommend", hybrid, code=2).stderr


def test_a_run_without_its_interests_is_broken(hybrid):
    path = hybrid / "interests.npz"
    path.rename(hybrid / "gone")
    with pytest.raises(BrokenRun, match=r"interests\.npz is missing"):
        load_run(hybrid)
    (hybrid / "gone").rename(path)


@pytest.mark.slow
def test_the_language_model_is_tuned_inside_the_hybrid(folder, preset, tmp_path):
    arguments = ["--text-mode", "full", "--text-preset", preset, *SMALL]
    run("train", "gpt2_hybrid", "--data", folder, "--out", tmp_path / "run", *arguments)
    before = keras_hub.models.Backbone.from_preset(str(preset)).get_weights()
    assert (tmp_path / "run" / "training" / "choose_epochs-gpt2_hybrid_frozen").is_dir()
    loaded = load_run(tmp_path / "run")
    backbone = loaded.model.get_layer("item_text").tower.backbone
    pairs = zip(before, backbone.get_weights(), strict=False)
    assert any(not np.array_equal(old, new) for old, new in pairs)
    assert "MiB" in run("export", tmp_path / "run", "--to", tmp_path / "served", "-k", 3).stdout


def test_a_recommendation_is_explained(hybrid, tmp_path):
    found = answer("explain", hybrid, "--user-id", "u1", "--item-id", "i2", "-k", 3)
    effects = [row["effect"] for row in found["history"]]
    assert effects == sorted(effects, reverse=True) and len(effects) == 3
    read = {"Film", "i2.", *GENRES["songs"].split(), "number", "2"}  # title, then text
    assert {row["word"] for row in found["words"]} <= read
    picture = tmp_path / "why.svg"
    text = run("explain", hybrid, "--user-id", "u1", "--picture", picture).stdout
    assert "past items" in text and "words of the text" in text
    assert picture.read_text("utf-8").startswith("<svg")
    refused = run("explain", hybrid, "--user-id", "u1", "--item-id", "none", code=2)
    assert "'none' is neither an id nor a title of the catalog" in refused.stderr
    assert (
        "0 is not in the range" in run("explain", hybrid, "--user-id", "u1", "-k", 0, code=2).stderr
    )


def test_new_items_are_lifted_on_request(tables, folder, preset, tmp_path):
    arguments = ["--split", "cold_item", "--offer-new-items", "--text-preset", preset, *SMALL]
    run("train", "gpt2_hybrid", "--data", folder, "--out", tmp_path / "run", *arguments)
    loaded = load_run(tmp_path / "run")
    events, head = loaded.parts["train"], loaded.model.get_layer("logits")
    new = ~np.isin(np.arange(25), events.item)
    assert new[1:].sum() == 24 - 17  # the others are of the train part: 24 less 5 and 2
    np.testing.assert_array_equal(head.takes_part, ~new)
    assert 0 < np.abs(head.boost).max() < 50  # the bounds of the search are at 100


def test_search_finds_meaning_and_a_user_orders_it(hybrid, tables, folder, preset):
    asked = ["robot love", "--data", folder, "--text-preset", preset, "-k", 8]
    found = answer("search", *asked)["items"]
    assert [item["score"] for item in found] == sorted((i["score"] for i in found), reverse=True)
    encoder = TextEncoder(str(preset), max_length=64)
    query, *texts = encoder.encode(["robot love", *joined_texts(tables.items)])
    cosine = np.stack(texts) @ query / np.linalg.norm(texts, axis=1) / np.linalg.norm(query)
    items = tables.items.assign(score=cosine).sort_values("score", ascending=False)
    assert [item["score"] for item in found] == pytest.approx(items["score"][:8].tolist(), abs=1e-5)
    titles = tables.items.set_index("item_id")["title"]
    assert all(item["title"] == titles[item["item_id"]] for item in found)
    lines = run("search", *asked).stdout.splitlines()
    shown = enumerate(found, 1)
    assert lines == [
        f"{n:3}. {item['title']}  [{item['item_id']}]  {item['score']:.3f}" for n, item in shown
    ]
    of_run = ["search", "robot love", "--run", hybrid, "--text-preset", preset, "-k", 24]
    plain, ordered = answer(*of_run)["items"], answer(*of_run, "--user-id", "u1")["items"]
    # Reciprocal ranks by meaning and by the user's scores, both from 1, with 60 added to both.
    recommender, meaning = load_run(hybrid).recommender, [item["item_id"] for item in plain]
    scores = recommender.score(recommender.users.index(["u1"]))[0]
    taste = sorted(meaning, key=lambda one: -scores[recommender.items.index([one])[0]])
    fused = {one: 1 / (61 + meaning.index(one)) + 1 / (61 + taste.index(one)) for one in meaning}
    assert [i["item_id"] for i in ordered] == sorted(fused, key=lambda one: -fused[one])
    assert [i["item_id"] for i in plain] != [i["item_id"] for i in ordered]
    assert {i["source"] for i in plain} == {"text"} and {i["source"] for i in ordered} == {"model"}
    assert answer(*of_run, "--user-id", "u1.")["items"] == plain
    shown = run(*of_run, "--user-id", "U1").stderr
    assert "User 'U1' was never seen: the query alone orders the items" in shown
    assert "Did you mean 'u1' instead of 'U1'?" in shown


def test_search_refuses_what_it_cannot_answer(hybrid, folder, preset):
    text = ["--text-preset", preset]
    assert "QUERY is empty" in run("search", " ", "--data", folder, *text, code=2).stderr
    refused = run("search", "x", "--data", folder, "--user-id", "u1", *text, code=2).stderr
    assert "--user-id needs --run" in refused
    refused = run("search", "x", "--data", folder, "--run", hybrid, *text, code=2).stderr
    assert "not both" in refused
    refused = run("search", "x", "--data", folder, "-k", 25, *text, code=2).stderr
    assert "k=25, 24 items" in refused
    refused = run("search", "x", "--data", folder, "--text-preset", "minlm", code=2).stderr
    assert "minilm" in refused


class _Letters:
    """A language model of four letters."""

    dim, fingerprint = 4, "letters"

    def encode(self, texts):
        return np.array([[text.count(one) for one in "abcd"] for text in texts], np.float32)

    def warn_of_unknown(self, texts):
        pass


def test_search_orders_by_cosine_and_leaves_out_what_has_no_text():
    ids = np.array(["", "x", "y", "z", "w"], object)
    index = SemanticSearch.over(ids, ids, ["", "ab", "aab", "c", ""], _Letters())
    found = index.search("a", k=4)
    assert found["item_id"].tolist() == ["y", "x", "z"]
    assert found["score"].tolist() == pytest.approx([2 / 5**0.5, 0.5**0.5, 0])


def test_meaning_and_taste_are_fused_by_reciprocal_ranks_from_one():
    ids = np.array(["", "x", "z", "y", "w"], object)
    texts = ["", "aaaa", "aaab", "aabb", "abbb"]
    index = SemanticSearch.over(ids, ids, texts, _Letters())
    taste = {"x": 1.0, "z": 3.0, "y": 4.0, "w": 2.0}

    class Taste:
        items, users = Vocabulary(ids[1:]), Vocabulary(["u"])

        def score(self, user):
            return np.array([[0.0, *(taste[one] for one in ids[1:])]], np.float32)

    found = index.search("a", k=4, recommender=Taste(), user_id="u")
    by_meaning, by_taste = {"x": 1, "z": 2, "y": 3, "w": 4}, {"y": 1, "z": 2, "w": 3, "x": 4}
    fused = {one: 1 / (60 + by_meaning[one]) + 1 / (60 + by_taste[one]) for one in by_meaning}
    assert found["item_id"].tolist() == sorted(fused, key=fused.get, reverse=True)
    scores = fused_ranks(Taste().score(["u"])[0, 1:])
    assert scores == pytest.approx([fused[one] for one in ids[1:]], abs=1e-12)


def test_interests_come_from_what_is_liked_where_nothing_was_written(tables):
    silent = from_frames(tables.interactions.drop(columns="text"), tables.items)
    data = index_data(silent)
    assert data.train.text is None
    words = user_words(data.train, data.item_column("text"))
    user = data.users.index(["u1"])[0]
    assert "soldiers" in {word for one in words.of(user) for word in one.text.split()}
    wrote = index_data(tables)
    assert len(wrote.train_and_validation.text) == len(wrote.train_and_validation)
    row = int(np.flatnonzero(wrote.train.rating == 2)[0])
    assert wrote.train.text[row] == "not for me"
