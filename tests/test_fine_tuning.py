"""Going on from a trained model with more users, items and events."""

import keras
import numpy as np
import pytest
from command_line import answer, run
from keras import ops

import zoo
from tfrec_fusion.data.indexed import index_data
from tfrec_fusion.data.synthetic import generate
from tfrec_fusion.data.tables import RecData
from tfrec_fusion.training.carry_over import carry_over
from zoo.fine_tuning import fine_tune, grown_tables
from zoo.train import train
from zoo.train_options import TrainOptions

WHOLE = generate(num_users=40, num_items=24, num_interactions=600, seed=3)
USERS, ITEMS = (WHOLE.interactions[name].unique() for name in ("user_id", "item_id"))
NEW_USERS, NEW_ITEMS = set(USERS[::5]), set(ITEMS[::8])
QUICK = TrainOptions(epochs=2, progress=False)


def part(name, users=True):
    """What the base knows, or what comes later."""
    events, items = WHOLE.interactions, WHOLE.items
    late = events["user_id"].isin(NEW_USERS) | events["item_id"].isin(NEW_ITEMS)
    if name == "base":
        kept = items[~items["item_id"].isin(NEW_ITEMS)]
        return RecData(events[~late], kept, name="base")
    return RecData(events[late], items, name="mine")


BASE, MINE = part("base"), part("mine")


@pytest.fixture(scope="module")
def bases(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bases")
    made = {}
    for name, choices in (("two_tower", {"dim": 8}), ("ease", {})):
        own = QUICK if name == "two_tower" else None
        made[name] = train(name, BASE, folder / name, options=own, hyperparameters=choices)
    return made


def test_known_ids_keep_their_rows_and_new_ones_come_after(bases):
    start = bases["two_tower"]
    union = grown_tables(start, MINE)
    assert len(union.interactions) == len(WHOLE.interactions)
    data = index_data(union, known=(start.users, start.items))
    assert data.users.ids[: len(start.users)].tolist() == start.users.ids.tolist()
    assert data.items.ids[: len(start.items)].tolist() == start.items.ids.tolist()
    assert set(data.users.ids[len(start.users) :]) == NEW_USERS
    assert set(data.items.ids[len(start.items) :]) == NEW_ITEMS
    assert data.item_column("title")[: len(start.items)].tolist() == start.titles.tolist()


@pytest.mark.parametrize("compiled", [True, False])
def test_weights_are_carried_over_row_by_row(compiled):
    keras.utils.set_random_seed(0)
    small, large = (
        zoo.build("two_tower", num_users=users, num_items=items, dim=4, query="user_id")
        for users, items in ((5, 7), (8, 7))
    )
    if compiled:
        large.compile("adam", "mse")
    before = [ops.convert_to_numpy(one) for one in large.weights]
    rows = carry_over(small, large, [(5, 8), (7, 7)])
    assert [row.weight for row in rows] == [one.path for one in large.weights]
    for old, was, now, row in zip(small.weights, before, large.weights, rows, strict=True):
        kept = tuple(slice(0, size) for size in old.shape)
        np.testing.assert_array_equal(ops.convert_to_numpy(now)[kept], ops.convert_to_numpy(old))
        rest = np.ones(now.shape, bool)
        rest[kept] = False
        np.testing.assert_array_equal(ops.convert_to_numpy(now)[rest], was[rest])
        assert (row.kept, row.new, row.shape) == (np.size(old), rest.sum(), tuple(now.shape))
    assert [row.new for row in rows if row.new] == [3 * 4]


def test_models_that_differ_by_more_are_refused():
    one, other = (
        zoo.build("two_tower", num_users=5, num_items=7, dim=dim, query="user_id") for dim in (4, 6)
    )
    with pytest.raises(ValueError, match=r"has the shape .* only \[\(5, 5\)\] may differ"):
        carry_over(one, other, [(5, 5)])
    deeper = zoo.build("two_tower", num_users=5, num_items=7, dim=4)
    with pytest.raises(ValueError, match="differ by more than the size of their vocabularies"):
        carry_over(one, deeper, [(5, 5)])


def test_it_serves_old_and_new_users(bases, tmp_path):
    said = []
    made = fine_tune(bases["two_tower"], MINE, tmp_path / "run", options=QUICK, say=said.append)
    assert any("values carried over" in line for line in said)
    assert sum(row["new"] for row in made.info["carried"]) > 0
    assert made.info["start"] == "two_tower"
    assert made.info["data"]["name"] == "base and mine"
    for user in (*sorted(NEW_USERS), str(bases["two_tower"].users.ids[1])):
        assert user in made.users
        known = made.recommender.known
        taken = set(known.item[known.user == made.users.index([user])[0]])
        free = len(made.items) - 1 - len(taken)
        assert len(made.recommender.recommend(user, 5)) == min(5, free)
    again = fine_tune(bases["ease"], MINE, tmp_path / "ease")
    anew = zoo.build("ease").fit(index_data(grown_tables(bases["ease"], MINE)).train)
    assert len(again.items) == len(made.items) == anew.score(np.array([1])).shape[1]


def test_the_command_goes_on_from_a_run(bases, tmp_path):
    for name, table in (("interactions", MINE.interactions), ("items", MINE.items)):
        (tmp_path / "mine").mkdir(exist_ok=True)
        table.to_csv(tmp_path / "mine" / f"{name}.csv", index=False)
    arguments = ("--data", tmp_path / "mine", "--out", tmp_path / "run", "--epochs", 1)
    said = answer("fine-tune", bases["two_tower"].folder, *arguments)
    assert said["test"]["ndcg@10"] >= 0
    assert len(said["carried"]) > 1
    shown = run("fine-tune", "no_such_model", *arguments, code=2)
    assert "There is no run folder no_such_model" in shown.output


def test_what_cannot_go_on_is_said(bases, tmp_path):
    start = bases["two_tower"]
    renamed = MINE.interactions.assign(
        item_id="x" + MINE.interactions["item_id"], user_id="x" + MINE.interactions["user_id"]
    )
    items = MINE.items.assign(item_id="x" + MINE.items["item_id"])
    with pytest.raises(ValueError, match=r"No user and no item of other is known to the model"):
        fine_tune(start, RecData(renamed, items, name="other"), tmp_path / "run")
    timeless = RecData(MINE.interactions.drop(columns="timestamp"), MINE.items, name="mine")
    with pytest.raises(ValueError, match="mine lack `timestamp`, which the"):
        fine_tune(start, timeless, tmp_path / "run")
    start.info["model"], name = "knowledge_hybrid", start.info["model"]
    with pytest.raises(ValueError, match="knowledge_hybrid cannot grow"):
        fine_tune(start, MINE, tmp_path / "run")
    start.info["model"] = name
    assert not (tmp_path / "run").exists()


def test_new_texts_go_into_the_space_of_the_model():
    from tfrec_fusion.layers.text_table import TextTable

    texts = np.random.default_rng(0).normal(size=(6, 8))
    small, large = TextTable(4, 8, 3), TextTable(6, 8, 3)
    small.set_texts(texts[:4])
    large.set_texts(texts)
    for name in ("mean", "projection"):
        getattr(large, name).assign(getattr(small, name))
    large.place_texts(texts)
    np.testing.assert_allclose(
        ops.convert_to_numpy(large.vectors)[:4],
        ops.convert_to_numpy(small.vectors),
        atol=1e-6,
    )
    assert np.linalg.norm(ops.convert_to_numpy(large.vectors)[4:], axis=1) == pytest.approx(1)
