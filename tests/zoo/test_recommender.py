"""One face for every model: prebuilt, from a run folder, just trained, continued."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
import webbrowser
from xml.etree import ElementTree

import keras
import numpy as np
import pandas as pd
import pytest
from checkout import ROOT, child_environment
from google.protobuf import text_format
from tensorboard.plugins.projector.projector_config_pb2 import ProjectorConfig

from tfrec_fusion import zoo
from tfrec_fusion.answer_warnings import AnswerWarning
from tfrec_fusion.data.sources.synthetic import generate
from tfrec_fusion.errors import InvalidInput, NotFound, UserError, WrongType
from tfrec_fusion.zoo.answers.explanation import Explanation
from tfrec_fusion.zoo.exports import export_run
from tfrec_fusion.zoo.prebuilt.load import open_recommender

MADE = generate(num_users=30, num_items=20, num_interactions=260, seed=3)
PLACES = np.arange(len(MADE.items))
TITLES = [f"The {title} ({1950 + place})" for place, title in enumerate(MADE.items["title"])]
ITEMS = MADE.items.assign(
    title=TITLES,
    color=np.where(PLACES % 3 == 0, "red|blue", "green"),
    price=np.where(PLACES % 2 == 0, 5.0, 7.5),
)
SHOP = dataclasses.replace(MADE, items=ITEMS, name="<i>shop</i>")
FURTHER = ["genres", "color", "price"]
ANSWER = ["item_id", "title", "score", "source", *FURTHER]
QUICK = {"epochs": 1, "dim": 8, "progress": False}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="module")
def ease(folder):
    return zoo.train(SHOP, "ease", folder / "ease")


@pytest.fixture(scope="module")
def towers(folder):
    return zoo.train(SHOP, "two_tower", out=str(folder / "towers"), num_layers=1, **QUICK)


@pytest.fixture(scope="module")
def hybrid(folder):
    choices = {"text_preset": "tiny_gpt2", "text_length": 16, "num_layers": 1}
    return zoo.train(SHOP, "text_hybrid", folder / "hybrid", **choices, **QUICK)


def busy_and_free(model):
    """A user who has seen many items, not nearly all, and the one with the fewest."""
    counts = np.bincount(model.answers.known.user)
    order = np.argsort(counts[1:], kind="stable") + 1
    some = [one for one in order if counts[one] < 15]
    return model.run.users.ids[some[-1]], model.run.users.ids[some[0]]


def seen_by(model, user):
    known = model.answers.known
    return set(model.run.items.id_of(known.item[known.user == model.run.users.index([user])[0]]))


def test_the_public_names_are_those_that_a_user_needs():
    assert dir(zoo) == sorted(zoo.__all__)
    needed = ("load", "load_run", "train", "fine_tune", "build", "list_models", "register")
    needed += ("get_spec", "specs", "Recommender", "ModelSpec", "Task", "Part", "Lazy", "option")
    assert set(needed) <= set(dir(zoo))
    for name in zoo.__all__:
        assert getattr(zoo, name).__doc__
    with pytest.raises(AttributeError, match=r"no attribute 'lode'; it has BuildContext, Card"):
        zoo.lode()


def test_importing_the_zoo_imports_no_keras_and_takes_no_time():
    program = (
        "import sys, time; start = time.process_time(); import tfrec_fusion\n"
        "seconds = time.process_time() - start; from tfrec_fusion import zoo\n"
        "dir(zoo); zoo.ModelSpec, zoo.Task, zoo.option, zoo.Lazy\n"
        "print(seconds, 'keras' in sys.modules, 'tensorflow' in sys.modules)"
    )
    shown = subprocess.run(
        [sys.executable, "-c", program],
        env=child_environment(),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    seconds, *heavy = shown.stdout.split()
    assert float(seconds) < 0.3 and heavy == ["False", "False"]


def test_every_way_gives_the_same_class_and_the_same_answers(ease, folder):
    again, prebuilt = zoo.load_run(folder / "ease"), zoo.load("ease.ml_latest_small")
    opened = open_recommender(str(folder / "ease")), open_recommender("ease.ml_latest_small")
    for model in (ease, again, prebuilt, *opened):
        assert type(model) is zoo.Recommender and isinstance(model.keras_model, keras.Model)
        assert model.model is model.run.model and model.info is model.run.info
    assert ease.card is None and prebuilt.card.name == prebuilt.name == "ease.ml_latest_small"
    pd.testing.assert_frame_equal(again.recommend(ease.users, 3), ease.recommend(ease.users, 3))
    assert [opened[0].name, opened[1].name] == ["ease", "ease.ml_latest_small"]


def test_answers_are_the_models_best_with_the_catalogs_columns(ease):
    _, user = busy_and_free(ease)
    found = ease.recommend(user, 4)
    assert found.columns.tolist() == ANSWER
    index = ease.run.users.index([user])
    scores = ease.answers.score(index)[0]
    unseen = [one for one in ease.run.items.ids[1:] if one not in seen_by(ease, user)]
    by_id = dict(zip(ease.run.items.ids, scores, strict=True))
    expected = sorted(unseen, key=by_id.get, reverse=True)[:4]
    assert found["item_id"].tolist() == expected
    np.testing.assert_allclose(found["score"], [by_id[one] for one in expected], rtol=1e-5)
    rows = ITEMS.set_index("item_id").loc[expected]
    assert found["title"].tolist() == rows["title"].tolist()
    assert found["color"].tolist() == rows["color"].tolist()
    assert found["price"].astype(float).tolist() == rows["price"].tolist()
    assert found["genres"].tolist() == rows["genres"].tolist()


def test_users_come_in_every_form(ease):
    busy, free = busy_and_free(ease)
    parts = [ease.recommend(one, 2) for one in (free, busy)]
    expected = pd.concat(parts, ignore_index=True)
    several = (
        [free, busy],
        np.array([free, busy]),
        pd.Series([free, busy]),
        pd.Index([free, busy]),
    )
    for users in (*several, pd.DataFrame({"age": [1, 2], "user_id": [free, busy]})):
        found = ease.recommend(users, 2)
        assert found.columns.tolist() == ["user_id", *ANSWER]
        pd.testing.assert_frame_equal(found.drop(columns="user_id"), expected)
        scores = ease.score(users, ["the " + TITLES[3][4:], ease.items["item_id"][0]])
        assert scores["user_id"].tolist() == [free, free, busy, busy]
        assert scores["title"].tolist() == [TITLES[3], TITLES[0]] * 2
        found = ease.search(ease.items["text"][4], 3, user_id=users)
        assert found["user_id"].tolist() == [free] * 3 + [busy] * 3


def test_histories_and_items_may_be_named_as_people_do(ease):
    first, second = (title[4:-7] for title in TITLES[:2])  # without article and year
    ids = ease.items["item_id"].tolist()
    expected = ease.recommend(history=ids[:2], k=3)
    assert not {ids[0], ids[1]} & set(expected["item_id"])
    for given in (
        [first.upper(), second],
        [f"{first} (1950)", f"{second}, The"],
        [TITLES[0], ids[1]],
    ):
        pd.testing.assert_frame_equal(ease.recommend(history=given, k=3), expected)
    pd.testing.assert_frame_equal(ease.similar(first, 3), ease.similar(ids[0], 3))
    assert first not in ease.similar(first, 19)["title"].tolist()
    assert ease.explain(busy_and_free(ease)[1], f"the {first}").item_id == ids[0]
    for call in (
        lambda: ease.recommend(history=[f"{first} (1999)"]),
        lambda: ease.similar(first + "x"),
        lambda: ease.score("u01", [first + "x"]),
        lambda: ease.explain("u01", first + "x"),
        lambda: ease.recommend("u01", exclude=[first + "x"]),
        lambda: ease.search("a wish", allow=[first + "x"]),
    ):
        with pytest.raises(InvalidInput, match=r"neither an id nor a title .* Did you mean"):
            call()


def test_every_answer_is_narrowed_alike(ease):
    _, user = busy_and_free(ease)
    red = [
        one for one, color in zip(ITEMS["item_id"], ITEMS["color"], strict=True) if "red" in color
    ]
    cheap = ITEMS["item_id"][ITEMS["price"] == 5].tolist()
    both = set(red) & set(cheap)
    text, seen = ease.items["text"][0], {"allow_seen": True}
    where = {"color": "blue", "price": 5}
    for call, more in (
        (lambda **filters: ease.recommend(user, 3, **filters, **seen), "source"),
        (lambda **filters: ease.recommend(history=[TITLES[1]], k=3, **filters, **seen), "source"),
        (lambda **filters: ease.recommend(text=text, k=3, **filters), "source"),
        (lambda **filters: ease.search(text, 3, user_id=user, **filters), "source"),
        (lambda **filters: ease.similar(TITLES[1], 3, **filters), "score"),
    ):
        assert set(call(where=where)["item_id"]) <= both and more in call(where=where)
        best = call().iloc[0]
        assert best["title"] not in call(exclude=[best["title"]])["title"].tolist()
        assert set(call(allow=cheap)["item_id"]) <= set(cheap) and len(call(allow=cheap)) == 3
        with pytest.warns(AnswerWarning, match="leave 1 item"):
            assert call(allow=[best["item_id"]])["item_id"].tolist() == [best["item_id"]]
        with pytest.raises(InvalidInput, match="`allow` is empty"):
            call(allow=[])
        with pytest.raises(InvalidInput, match=r"columns of the catalog: genres, color, price\."):
            call(where={"colour": "red"})
        with pytest.raises(
            InvalidInput, match=r"No item has 'Red' in `color`\. Did you mean 'red'"
        ):
            call(where={"color": "Red"})
    with pytest.raises(InvalidInput, match="`exclude` must be a list of ids"):
        ease.recommend(user, exclude=TITLES[0])


def test_questions_that_say_nothing_or_too_much_are_refused(ease):
    for asked in ({}, {"user_id": "1", "history": ["i"]}, {"history": ["i"], "text": "robots"}):
        with pytest.raises(InvalidInput, match="Give `user_id`, or `history`, or `text`"):
            ease.recommend(**asked)
    with pytest.raises(InvalidInput, match="`allow_seen` goes with `user_id` or `history` alone"):
        ease.recommend(text="robots", allow_seen=False)
    with pytest.raises(InvalidInput, match="`k` must be at least 1 and at most"):
        ease.similar(TITLES[0], 21)


def test_explanations_of_one_user_are_read_and_drawn_and_of_several_a_table(ease):
    busy, free = busy_and_free(ease)
    title = ease.recommend(free, 1)["title"][0]
    one = ease.explain(free)
    assert isinstance(one, Explanation) and one.title == title
    assert str(one) == one.as_text() and str(one).startswith(f"{title}  [")
    assert one._repr_html_().startswith("<svg")
    found = ease.explain([free, busy], TITLES[2])
    assert found.columns.tolist() == [
        *("user_id", "item_id", "title", "score", "kind", "reason", "effect")
    ]
    of_free = ease.explain(free, TITLES[2])
    rows = found[found["user_id"] == free]
    assert set(rows["kind"]) == {"past item"} and set(rows["title"]) == {TITLES[2]}
    assert rows["reason"].tolist() == of_free.history["title"].tolist()
    np.testing.assert_allclose(rows["effect"], of_free.history["effect"], atol=1e-6)
    np.testing.assert_allclose(rows["effect"].sum(), of_free.score, atol=1e-5)  # EASE is linear
    assert ease.explain([]).empty
    with pytest.raises(InvalidInput, match="User 'nobody' is not known"):
        ease.explain([free, "nobody"])


def test_a_query_is_read_by_the_models_own_language_model_or_the_packages(ease, hybrid):
    for model in (ease, hybrid):
        found = model.search(model.items["text"][5], 2)
        assert found["title"][0] == TITLES[5] and found["source"].tolist() == ["text"] * 2
        assert found["score"][0] == pytest.approx(1, abs=1e-3)
    assert hybrid._search.encoder.max_length == 16 and ease._search.encoder.max_length == 32


def test_vectors_of_users_and_items_order_items_as_the_scores_do(towers):
    items, users = towers.item_embeddings(), towers.user_embeddings()
    assert items.index.tolist() == ITEMS["item_id"].tolist() and items.index.name == "item_id"
    assert users.index.tolist() == towers.users and users.index.name == "user_id"
    assert items.shape == (20, 8) and users.shape == (30, 8)
    np.testing.assert_array_equal(items, towers.model.item_vectors()[1:])
    scores = towers.answers.score(np.arange(1, 31))[:, 1:]
    products = users.to_numpy() @ items.to_numpy().T / towers.model.config.temperature
    biases = (scores - products).mean(axis=0)
    np.testing.assert_allclose(scores - products, np.tile(biases, (30, 1)), atol=1e-4)
    cosines = items.to_numpy() / np.linalg.norm(items, axis=1, keepdims=True)
    nearest = items.index[np.argsort(-(cosines @ cosines[7]))[1]]
    assert towers.similar(items.index[7], 1)["item_id"].tolist() == [nearest]


def test_the_projectors_files_say_the_same(towers, tmp_path):
    items = towers.item_embeddings(tmp_path / "items")
    users = towers.user_embeddings(str(tmp_path / "users"))
    counts = towers.answers.known
    for name, vectors in (("items", items), ("users", users)):
        config = ProjectorConfig()
        text_format.Parse((tmp_path / name / "projector_config.pbtxt").read_text(), config)
        (shown,) = config.embeddings
        assert shown.tensor_name == vectors.index.name
        read = np.loadtxt(tmp_path / name / shown.tensor_path, delimiter="\t", dtype=np.float32)
        np.testing.assert_array_equal(read, vectors)
        metadata = pd.read_csv(tmp_path / name / shown.metadata_path, sep="\t", dtype=str)
        assert metadata.iloc[:, 0].tolist() == vectors.index.tolist()
        own = counts.item if name == "items" else counts.user
        expected = np.bincount(own, minlength=len(vectors) + 1)[1:]
        assert metadata["events"].astype(int).tolist() == expected.tolist()
    table = pd.read_csv(tmp_path / "items" / "metadata.tsv", sep="\t", dtype=str)
    assert table.columns.tolist() == ["item_id", "title", *FURTHER, "events"]
    assert table["title"].tolist() == TITLES


def test_cells_of_the_projector_stay_in_their_line(towers, tmp_path):
    run = dataclasses.replace(towers.run, titles=towers.run.titles.copy())
    run.titles[3] = "two\tcells\r\nand a line\u2028more"
    zoo.Recommender(run).item_embeddings(tmp_path)
    lines = (tmp_path / "metadata.tsv").read_text("utf-8").split("\n")
    assert len(lines) == 22 and all(line.count("\t") == 5 for line in lines[:-1])
    assert "two cells and a line more" in lines[3]


def test_texts_are_embedded_where_items_are(hybrid, towers):
    texts = [hybrid.items["text"][2], "", hybrid.items["text"][9]]
    found = hybrid.embed(texts)
    assert found.index.tolist() == texts and found.index.name == "text"
    model = hybrid.model.text_item_model()
    encoder = hybrid._search.encoder
    vectors = encoder.encode(texts)
    vectors[1] = 0
    np.testing.assert_allclose(found, model({"text": vectors})["embedding"], atol=1e-5)
    items = hybrid.item_embeddings()
    assert found.shape[1] == items.shape[1]
    one_by_one = [hybrid.embed([text]).to_numpy()[0] for text in texts]
    np.testing.assert_allclose(found, one_by_one, atol=1e-5)
    assert hybrid.embed([]).shape == (0, items.shape[1])
    with pytest.raises(WrongType, match=r"`texts` must be a list of strings.*single text into a"):
        hybrid.embed("a wish")
    with pytest.raises(InvalidInput, match=r"TwoTower reads no texts\. Take a model that does"):
        towers.embed(["a wish"])


def test_words_are_explained_where_texts_are_read(hybrid):
    _, free = busy_and_free(hybrid)
    assert hybrid.explain(free).words.empty
    found = hybrid.explain(free, words=True)
    read = dict(zip(hybrid.items["item_id"], hybrid.items["text"], strict=True))[found.item_id]
    assert len(found.words) and all(word in read for word in found.words["word"])


def test_models_without_vectors_say_which_have_some(ease):
    with pytest.raises(InvalidInput, match=r"EASE has no vectors of items\. Take a model that"):
        ease.item_embeddings()
    with pytest.raises(InvalidInput, match=r"EASE compares no vectors of users .* two towers"):
        ease.user_embeddings()


def test_it_is_measured_again_as_it_was(ease, towers):
    for model in (ease, towers):
        table = model.evaluate()
        assert table.columns.tolist() == ["value", "low", "high"]
        for name, value in model.metrics.items():
            assert table.loc[name, "value"] == pytest.approx(value, abs=1e-6)
        low, high = model.info["test_intervals"]["ndcg@10"]
        assert table.loc["ndcg@10", ["low", "high"]].tolist() == pytest.approx([low, high])
    again = ease.evaluate(allow_seen=True)
    assert again.loc["ndcg@10", "value"] != pytest.approx(ease.metrics["ndcg@10"], abs=1e-3)
    assert isinstance(again.attrs["notes"], list)


def test_a_report_is_opened_where_somebody_sees_it(ease, folder, monkeypatch):
    opened = []
    monkeypatch.setattr(webbrowser, "open", opened.append)
    monkeypatch.setattr(webbrowser, "get", lambda: webbrowser.BackgroundBrowser("x"))
    monkeypatch.delattr(sys, "ps1", raising=False)
    assert ease.report() == folder / "ease" / "report.html" and not opened
    monkeypatch.setattr(sys, "ps1", ">>> ", raising=False)
    assert ease.report().is_file() and opened == [(folder / "ease" / "report.html").as_uri()]
    monkeypatch.setattr(webbrowser, "get", lambda: webbrowser.GenericBrowser("lynx"))
    assert ease.report().is_file() and len(opened) == 1

    def none():
        raise webbrowser.Error("could not locate runnable browser")

    monkeypatch.setattr(webbrowser, "get", none)
    assert ease.report().is_file() and len(opened) == 1
    with pytest.raises(NotFound, match=r"ease.ml_latest_small has no report\.html .*`\.metrics`"):
        zoo.load("ease.ml_latest_small").report()


def test_what_it_is_shows_in_a_line_and_in_a_table_without_markup_of_the_data(ease):
    ndcg = ease.metrics["ndcg@10"]
    what = zoo.get_spec("ease").summary
    assert repr(ease) == (
        f"<ease: {what}; <i>shop</i>, 30 users, 20 items; NDCG@10 {ndcg:.4f} on its test part>"
    )
    table = ease._repr_html_()
    assert "&lt;i&gt;shop&lt;/i&gt;" in table and "<i>" not in table
    rows = ElementTree.fromstring(table).iter("tr")
    shown = dict([cell.text for cell in row] for row in rows)
    assert shown["data"] == "<i>shop</i>" and shown["users"] == "30" and shown["model"] == what
    assert float(shown["ndcg@10"]) == pytest.approx(ndcg, abs=1e-4)


def test_a_model_that_was_changed_is_saved_as_it_is_now(towers, folder, tmp_path):
    model = zoo.load_run(folder / "towers")
    weight = next(one for one in model.keras_model.weights if one.shape == (21,))  # the biases
    weight.assign(np.where(np.arange(21) == 5, 1000.0, 0.0))
    target = model.save(tmp_path / "new" / "run")
    saved = zoo.load_run(target)
    assert saved.recommend("nobody", 1)["source"].tolist() == ["popularity"]
    assert saved.recommend(history=[TITLES[0]], k=1)["title"].tolist() == [TITLES[4]]
    assert towers.recommend(history=[TITLES[0]], k=1)["score"][0] < 100  # which stays
    assert saved.report() == target / "report.html"
    assert saved.metrics == towers.metrics and saved.info["options"] == towers.info["options"]
    again = zoo.fine_tune(target, more_events(), tmp_path / "tuned", epochs=1, progress=False)
    assert type(again) is zoo.Recommender and "me" in again.users
    assert len(again.recommend("me", 2)) == 2 and again.info["start"] == "two_tower"


def more_events():
    mine = pd.DataFrame({"user_id": "me", "item_id": ITEMS["item_id"][:6]})
    mine = mine.assign(rating=5.0, timestamp=range(1_700_000_000, 1_700_000_006))
    return dataclasses.replace(SHOP, interactions=mine, name="mine")


def test_it_is_exported_as_its_run_is(ease, tmp_path, monkeypatch):
    given = []
    monkeypatch.setattr(export_run, "export_run", lambda *args, **more: given.append((args, more)))
    ease.export(tmp_path / "shop", page_sizes=(3,), without_users=True)
    assert given == [((ease.run, tmp_path / "shop"), {"page_sizes": (3,), "without_users": True})]


def test_training_takes_a_folder_of_tables_and_writes_where_it_says(tmp_path, monkeypatch):
    (tmp_path / "shop").mkdir()
    SHOP.interactions.to_csv(tmp_path / "shop" / "interactions.csv", index=False)
    ITEMS.to_csv(tmp_path / "shop" / "items.csv", index=False)
    monkeypatch.chdir(tmp_path)
    model = zoo.train("shop", "popularity")
    assert model.run.folder.resolve() == tmp_path / "runs" / "popularity"
    assert (
        model.info["data"]["name"] == "shop"
        and model.recommend("u01", 1).columns.tolist() == ANSWER
    )
    with pytest.raises(FileExistsError, match=r"holds a finished run already.*one by `out`\."):
        zoo.train(tmp_path / "shop", "popularity")
    assert zoo.train(SHOP, "popularity", tmp_path / "other").run.folder == tmp_path / "other"


REFUSED = [
    (lambda: zoo.train("nowhere", "ease", "x"), InvalidInput, "or a folder of tables. Received"),
    (lambda: zoo.train(SHOP, "eases", "x"), InvalidInput, "Did you mean 'ease'?"),
    (lambda: zoo.train(SHOP, "ease", "x", l3=5), InvalidInput, "ease takes the keywords l2"),
    (lambda: zoo.train("ease", SHOP, "x"), WrongType, "The data come first, then the name"),
    (lambda: zoo.train(ITEMS, "ease", "x"), InvalidInput, "`interactions` lacks the column user"),
    (lambda: zoo.train([1], "ease", "x"), WrongType, "`data` must be a pandas DataFrame"),
    (lambda: zoo.train(SHOP, "ease", 5), WrongType, "Received: 5, of the type int"),
    (lambda: zoo.fine_tune(5, SHOP, "x"), WrongType, "`start` must be of Recommender. `zoo.load`"),
    (lambda: zoo.fine_tune("ease.ml_latest", SHOP, "x"), UserError, "'ease.ml_latest_small'"),
    (lambda: zoo.load_run(5), WrongType, "Received: 5, of the type int"),
]


@pytest.mark.parametrize(("call", "kind", "message"), REFUSED)
def test_what_cannot_be_trained_or_opened_is_said(call, kind, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(kind) as refused:
        call()
    assert message in str(refused.value)
    assert not list(tmp_path.iterdir())
