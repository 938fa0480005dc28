"""Graph paths of a recommendation: against a model whose graph is smaller, and as they are said."""

import json
import shutil
import xml.etree.ElementTree as ElementTree

import keras
import numpy as np
import pandas as pd
import pytest
from command_line import answer, run
from flipped import flipped
from older_run import without_checksums
from package_folder import use
from published_run import publish

from tfrec_fusion import zoo
from tfrec_fusion.data.graph import knowledge_of
from tfrec_fusion.data.indexed import index_data
from tfrec_fusion.data.sources.synthetic import generate
from tfrec_fusion.data.tables.rec_data import from_frames
from tfrec_fusion.files.checksums import BrokenPackage, checksum_of
from tfrec_fusion.text.interests.user_words import user_words
from tfrec_fusion.zoo.answers.catalog_answers import CatalogAnswers
from tfrec_fusion.zoo.answers.explanation import Explainer
from tfrec_fusion.zoo.answers.graph_paths import on_a_line
from tfrec_fusion.zoo.models.text_hybrid.new_items import offer_new_items
from tfrec_fusion.zoo.models.text_hybrid.pair_scores import scores_without
from tfrec_fusion.zoo.prebuilt.load import load
from tfrec_fusion.zoo.runs.run import BrokenRun, load_run, save_run

# Films A to F; E is in no triple, and everybody saw A, then B, then C.
TRIPLES = [
    ("A", "film.film.genre", "war"),
    ("B", "film.film.genre", "war"),
    ("D", "film.film.genre", "war"),
    ("ann", "film.actor.film", "B"),
    ("ann", "film.actor.film", "D"),
    ("D", "sequel_of", "C"),
    ("D", "maker", "tom"),
    ("F", "maker", "tom"),
]
EVENTS = [(f"u{u}", f"i{i}", 4.0, i) for u in range(6) for i in range(3)]
EVENTS += [("u0", "i3", 4.0, 9), ("u1", "i4", 4.0, 9), ("u2", "i5", 4.0, 9)]
ITEMS = pd.DataFrame({"item_id": [f"i{i}" for i in range(6)], "text": "film"})
ITEMS["title"] = [f"Film {name}" for name in "ABCDEF"]
ITEMS["entity_id"] = ["A", "B", "C", "D", "", "F"]
COLUMNS = ["user_id", "item_id", "rating", "timestamp"]
DATA = index_data(from_frames(pd.DataFrame(EVENTS, columns=COLUMNS), ITEMS, name="films"))
TEXTS = np.random.default_rng(0).normal(size=(7, 5)).astype(np.float32)
SIZES = {"num_users": 7, "num_items": 7, "dim": 4, "num_layers": 1, "history_length": 4}
CHOICES = {
    "ids": {"sources": "id"},
    "texts and users": {"item_text": TEXTS, "text_components": 4, "query": "user+history"},
    "in batch": {"sources": "id", "negatives": "in_batch"},
}


def knowledge(without=()):
    kept = [one for one in TRIPLES if not {one[0], one[2]} & set(without)]
    graph = pd.DataFrame(kept, columns=["head_id", "relation_id", "tail_id"])
    return knowledge_of(DATA, graph)


def built(graph, seed=5, **choices):
    keras.utils.set_random_seed(seed)
    return zoo.build("knowledge_hybrid", knowledge=graph, graph_dim=4, **SIZES, **choices)


def explainer(model, graph):
    titles = np.array(["", *ITEMS["title"]], object)
    rows = (DATA.users, DATA.items, titles, DATA.everything)
    return Explainer(CatalogAnswers(model, *rows, graph=graph.names))


def explained(model, graph):
    return explainer(model, graph).explain("u3", "i3")


@pytest.fixture(scope="module")
def of_ids():
    """Explains by a model of ids and the whole graph."""
    graph = knowledge()
    return explainer(built(graph, **CHOICES["ids"]), graph)


def lesser(model, graph, entity, choices):
    """The same weights over a graph that never had the entity."""
    rest = knowledge(without=[entity])
    twin = built(rest, **choices)
    for layer in model.layers:
        if layer.weights and layer.name != "graph":
            twin.get_layer(layer.name).set_weights(layer.get_weights())
    table, other = model.get_layer("graph"), twin.get_layer("graph")
    rows = [list(graph.entities).index(one) if one else 0 for one in rest.entities]
    other.entities.assign(keras.ops.convert_to_numpy(table.entities)[rows])
    kinds = [graph.relations.index(one) for one in rest.relations]
    other.relations.assign(keras.ops.convert_to_numpy(table.relations)[kinds])
    return twin, rest


@pytest.mark.parametrize("named", CHOICES)
def test_an_effect_is_what_a_graph_without_the_entity_takes_away(named):
    graph, choices = knowledge(), CHOICES[named]
    model = built(graph, **choices)
    found = explained(model, graph)
    assert set(found.paths["entity_id"]) == {"war", "ann", "tom", "C"}
    effects = found.paths.set_index("entity_id")["effect"]
    assert effects.abs().min() > 1e-6 and effects.is_monotonic_decreasing
    entities = ("war", "ann", "tom")  # the item C cannot leave the graph and stay an item
    without = [explained(*lesser(model, graph, one, choices)).score for one in entities]
    np.testing.assert_allclose(found.score - effects[list(entities)], without, atol=1e-5)
    assert without[entities.index(effects.index[0])] < found.score - 1e-6  # the named top path
    assert found.paths["weight"].sum() == pytest.approx(1, abs=1e-5)


def test_the_same_is_said_each_time_also_of_an_item_with_many_neighbors():
    graph = knowledge()
    model = built(graph, sources="id", num_neighbors=2)
    first, second = explained(model, graph), explained(model, graph)
    pd.testing.assert_frame_equal(first.paths, second.paths)
    assert len(first.paths) == 2 and first.paths["weight"].sum() == pytest.approx(1, abs=1e-5)


def test_paths_in_words_and_as_data(of_ids):
    found = of_ids.explain("u3", "i3")
    paths = found.paths.set_index("entity_id")
    first, *others = paths["past_items"]["war"]
    last = "<--film: genre-- Film D"
    assert paths["path"]["war"] == f"{first['title']} --film: genre--> war {last}"
    assert {first["item_id"]} | {one["item_id"] for one in others} == {"i0", "i1"}
    strongest = next(one for one in found.history["item_id"] if one in ("i0", "i1"))
    assert first["item_id"] == strongest and first["relation_ids"] == ["film.film.genre"]
    expected = "Film B <--actor: film-- ann --actor: film--> Film D"
    assert paths["path"]["ann"] == expected
    assert paths["relation_ids"]["ann"] == ["film.actor.film (inverse)"]
    assert paths["path"]["tom"] == "Film D --maker--> tom" and not paths["past_items"]["tom"]
    assert paths["path"]["C"] == "Film D --sequel of--> Film C"
    data = json.loads(found.as_json(2))
    assert data["paths"] == found.paths[:2].to_dict("records")
    text = found.as_text()
    assert all(path in text for path in paths["path"])
    assert on_a_line(paths.loc["war"]).endswith("; 1 more past item shares it)")
    picture = ElementTree.fromstring(found.as_svg())
    labels = [one.text for one in picture.iter("{http://www.w3.org/2000/svg}text")]
    assert "graph paths" in labels and f"war (film: genre), {first['title']}" in labels


def test_the_item_is_no_past_item_of_its_own(of_ids):
    found = of_ids.explain("u3", "i0")
    (war,) = found.paths.to_dict("records")
    assert [one["item_id"] for one in war["past_items"]] == ["i1"]


def test_an_item_placed_by_its_text_reads_no_graph():
    graph = knowledge()
    model = built(graph, **CHOICES["texts and users"])
    model.set_known(DATA.train)
    offer_new_items(model, DATA.train)
    found = explained(model, graph)
    new, user = int(DATA.items.index(["i3"])[0]), int(DATA.users.index(["u3"])[0])
    history = DATA.items.index([f"i{i}" for i in range(3)])
    assert not DATA.train.item_counts[new]
    assert float(model.get_layer("logits").boost[new])
    score = scores_without(model, history, user, new, np.zeros((1, 1)))
    assert score == pytest.approx(found.score, rel=1e-5)
    effects = found.paths.set_index("entity_id")["effect"]
    # Only past items read the graph, and only of war.
    assert effects["tom"] == pytest.approx(0, abs=1e-5) and abs(effects["war"]) > 1e-4


def test_an_item_without_neighbors_has_no_paths(of_ids):
    found = of_ids.explain("u3", "i4")
    assert json.loads(found.as_json())["paths"] == []
    assert "paths of the graph: none" in found.as_text() and "graph" not in found.as_svg()


@pytest.fixture(scope="module")
def graph_run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("graph")
    tables = generate(30, 20, 300, seed=2, with_graph=True)
    for name in ("interactions", "items", "graph"):
        getattr(tables, name).to_csv(folder / f"{name}.csv", index=False)
    sizes = ["--dim", 8, "--num-layers", 1, "--history-length", 6]
    small = ["--sources", "id", "--epochs", 1, "--no-refit", *sizes]
    run("train", "knowledge_hybrid", "--data", folder, "--out", folder / "run", *small)
    return folder / "run"


def test_a_run_explains_by_its_graph(graph_run, tmp_path):
    loaded = load_run(graph_run)
    user = ["--user-id", str(loaded.users.ids[1])]
    shown = answer("explain", graph_run, *user, "--picture", tmp_path / "why.svg")
    genre = next(one for one in shown["paths"] if one["relation"] == "genre")
    assert genre["entity_id"].startswith("topic.") and genre["relation_ids"] == ["genre"]
    assert genre["path"] in run("explain", graph_run, *user).stdout
    assert "graph paths" in (tmp_path / "why.svg").read_text("utf-8")


def test_a_run_without_a_graph_neither_keeps_nor_names_one(tmp_path):
    model, words = built(None, sources="id", use_graph=False), DATA.item_texts()
    interests = user_words(DATA.everything, words)
    save_run(tmp_path, model, DATA, {"model": "knowledge_hybrid"}, interests)
    assert not (tmp_path / "graph.json").exists() and load_run(tmp_path).graph is None
    assert "graph" not in run("explain", tmp_path, "--user-id", "u3").stdout
    assert "paths" not in answer("explain", tmp_path, "--user-id", "u3")


def test_a_published_model_has_the_names_of_its_graph(graph_run, tmp_path, monkeypatch):
    use(tmp_path, monkeypatch)
    monkeypatch.setattr(
        "tfrec_fusion.zoo.prebuilt.query_texts._save_vectors",
        lambda run, path: path.write_bytes(b"texts"),
    )
    card = publish("knowledge_hybrid.toy", [graph_run], [], text="A toy.")
    path = tmp_path / "weights" / "toy" / "graph.json"
    assert card.files["toy/graph.json"] == checksum_of(path)
    trained, found = load_run(graph_run), load("knowledge_hybrid.toy")
    assert found.run.graph.entities == trained.graph.entities
    user = str(trained.users.ids[1])
    best = trained.recommender.recommend(user, 1)["item_id"].tolist()
    assert found.recommend(user, k=1)["item_id"].tolist() == best
    with flipped(path, 1), pytest.raises(BrokenPackage, match=r"graph\.json was changed"):
        load("knowledge_hybrid.toy")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, r"graph\.json is missing \(present: .*train again with"),
        ("not what it should be", r"graph\.json cannot be read: .* a graph's names"),
        ('{"entities": [""], "relations": []}', r"Received: 1 entities and 0 relations\. Restore"),
    ],
)
def test_a_run_without_the_names_of_its_graph_is_broken(content, message, graph_run, tmp_path):
    broken = tmp_path / "broken"
    shutil.copytree(graph_run, broken)
    without_checksums(broken)
    (broken / "graph.json").unlink()
    if content is not None:
        (broken / "graph.json").write_text(content)
    with pytest.raises(BrokenRun, match=message):
        load_run(broken)
