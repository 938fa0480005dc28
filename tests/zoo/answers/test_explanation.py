"""What carried a recommendation: effects by hand, and what is said of them."""

import json
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

from tfrec_fusion import zoo
from tfrec_fusion.data.indexed import index_data
from tfrec_fusion.data.sources.synthetic import generate
from tfrec_fusion.zoo.answers.catalog_answers import CatalogAnswers
from tfrec_fusion.zoo.answers.explanation import Explainer

TABLES = generate(num_users=20, num_items=15, num_interactions=120, seed=3)
DATA = index_data(TABLES)
TITLES = np.array(["", *(f"Film {n} <&>" for n in range(1, len(DATA.items)))], object)
KNOWN = DATA.train


def recommender(model):
    return CatalogAnswers(model, DATA.users, DATA.items, TITLES, KNOWN)


def explained(model, user, item):
    ids = str(DATA.users.ids[user]), str(DATA.items.ids[item])
    return Explainer(recommender(model)).explain(*ids)


@pytest.fixture(scope="module")
def ease():
    return zoo.build("ease").fit(KNOWN)


def user_and_item(position=0):
    user = int(KNOWN.user[position])
    taken = set(KNOWN.item[KNOWN.user == user])
    item = next(one for one in range(1, len(DATA.items)) if one not in taken)
    return user, item


def test_the_effects_of_a_linear_model_are_its_weights(ease):
    user, item = user_and_item()
    found = explained(ease, user, item)
    weights = np.array([ease.similar(int(one))[item] for one in KNOWN.item[KNOWN.user == user]])
    assert found.score == pytest.approx(weights.sum(), abs=1e-5)
    np.testing.assert_allclose(found.history["effect"], np.sort(weights)[::-1], atol=1e-5)
    assert found.words.empty and "words" not in found.as_text()
    assert found.paths is None and "graph" not in found.as_text()
    assert "paths" not in json.loads(found.as_json())
    assert f"Film {item} <&>" in found.as_text(2).splitlines()[0]
    assert len(json.loads(found.as_json(2))["history"]) == min(2, len(weights))
    picture = ElementTree.fromstring(found.as_svg())
    assert "Film" in picture.attrib["aria-label"]


@pytest.mark.parametrize("query", ["history", "user_id+history"])
def test_effects_are_what_leaving_out_does(query):
    choices = {"dim": 4, "num_layers": 1, "history_length": 5, "query": query, "sources": "id"}
    sizes = {"num_users": len(DATA.users), "num_items": len(DATA.items)}
    model = zoo.build("text_hybrid", **sizes, **choices)
    user, item = user_and_item(40)
    found = explained(model, user, item)
    history = KNOWN.histories(5)[user]

    def score(items):
        asked = {"history": np.array(items)[None, :], "user_id": np.array([user])}
        wanted = {one.name: asked[one.name] for one in model.inputs}
        return float(model(wanted)["logits"][0, -1, item])

    history = list(history[history > 0])
    expected = sorted(
        (score(history) - score(history[:n] + history[n + 1 :]) for n in range(len(history))),
        reverse=True,
    )
    assert found.score == pytest.approx(score(history), abs=1e-5)
    np.testing.assert_allclose(found.history["effect"], expected, atol=1e-5)


def test_what_cannot_be_explained_is_refused(ease):
    user, item = user_and_item()
    user_id, item_id = str(DATA.users.ids[user]), str(DATA.items.ids[item])
    with pytest.raises(ValueError, match="User 'nobody' is not known to the model"):
        Explainer(recommender(ease)).explain("nobody", item_id)
    with pytest.raises(ValueError, match="Item 'nothing' is not known"):
        Explainer(recommender(ease)).explain(user_id, "nothing")
    gmf = zoo.build("gmf", num_users=len(DATA.users), num_items=len(DATA.items), gmf_dim=2)
    with pytest.raises(ValueError, match="by their ids alone"):
        Explainer(recommender(gmf)).explain(user_id, item_id)
