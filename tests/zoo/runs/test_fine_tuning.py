"""Going on from a trained model with more users, items and events."""

from dataclasses import replace

import keras
import numpy as np
import pandas as pd
import pytest
from command_line import answer, run
from fine_tuning_tables import BASE, MINE, NEW_ITEMS, NEW_USERS, QUICK, WHOLE, genres, read_genres
from keras import ops
from older_run import without_checksums
from quick_training import one_encoder, without_graphs, without_pictures  # noqa: F401 (fixtures)
from tiny_bert import save_tiny_bert

from tfrec_fusion import zoo
from tfrec_fusion.data.indexed import index_data
from tfrec_fusion.data.split import SPLITS
from tfrec_fusion.data.tables.rec_data import RecData
from tfrec_fusion.text.encoding.item_vectors import text_vectors
from tfrec_fusion.training.carry_over import carry_over
from tfrec_fusion.zoo.runs.ensembling import train_ensemble
from tfrec_fusion.zoo.runs.fine_tuning import fine_tune, grown_tables
from tfrec_fusion.zoo.runs.run import load_run, save_info
from tfrec_fusion.zoo.runs.train import train

ONE_PASS = {"epochs": 1, "progress": False, "refit": False}


@pytest.fixture(scope="module")
def bases(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bases")
    made = {}
    for name, keywords in (("two_tower", {"dim": 8, **QUICK}), ("ease", {})):
        made[name] = train(name, BASE, folder / name, **keywords)
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
    made = fine_tune(bases["two_tower"], MINE, tmp_path / "run", say=said.append, **QUICK)
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


def pairs_of(run, *parts):
    """User and item ids of the events of some parts."""
    events = [run.parts[part] for part in parts]
    return {
        pair
        for part in events
        for pair in zip(run.users.id_of(part.user), run.items.id_of(part.item), strict=True)
    }


def frame_pairs(frame):
    return set(zip(frame["user_id"], frame["item_id"], strict=True))


def scenario(name):
    """Tables of a start, and those that come later: 40 users, 24 items."""
    events, items = WHOLE.interactions, WHOLE.items
    by_user = events.groupby("user_id")
    position, size = by_user.cumcount(), by_user["item_id"].transform("size")
    if name == "users and items are new":
        return BASE, MINE
    if name == "old users go on":
        late = position >= 0.7 * size
    elif name == "older history is imported":
        late = position < 0.4 * size
    else:  # every other event is missing; without timestamps in the last scenario
        late = position % 2 == 1
    if name == "no timestamps":
        events = events.drop(columns="timestamp")
    return RecData(events[~late], items, name="base"), RecData(events[late], items, name="mine")


SCENARIOS = (
    *("users and items are new", "old users go on", "older history is imported"),
    *("gaps are filled", "no timestamps"),
)


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize("name", SCENARIOS)
def test_nothing_that_the_start_learned_from_is_held_out(name, split, tmp_path):
    base, mine = scenario(name)
    start = train("popularity", base, tmp_path / "start", split=split)
    tuned = fine_tune(start, mine, tmp_path / "tuned")
    learned = pairs_of(start, "train", "validation")
    heldout = pairs_of(tuned, "validation", "test")
    assert heldout and not learned & heldout
    assert learned <= pairs_of(tuned, "train")
    if split == "cold_item":
        seen = {item for _, item in learned | pairs_of(tuned, "train")}
        assert not seen & {item for _, item in heldout}
    everything = frame_pairs(base.interactions) | frame_pairs(mine.interactions)
    assert pairs_of(tuned, "train", "validation", "test") == everything
    assert sum(map(len, tuned.parts.values())) == len(everything)
    assert len(tuned.parts["test"]) and len(tuned.parts["validation"])
    if name == "no timestamps" and split != "cold_item":
        # The order is free: a user's last events are those that the start has not seen.
        assert "; 0 of " in tuned.info["data"]["split"]


def test_a_fresh_split_would_hold_out_what_the_start_learned_from(tmp_path):
    for name in ("older history is imported", "gaps are filled", "no timestamps"):
        base, mine = scenario(name)
        start = train("popularity", base, tmp_path / name)
        fresh = SPLITS["temporal"](grown_tables(start, mine))
        learned = pairs_of(start, "train", "validation")
        assert learned & frame_pairs(fresh.test) and learned & frame_pairs(fresh.validation), name


def test_users_without_new_events_keep_their_test_part(tmp_path):
    start = train("popularity", BASE, tmp_path / "start")
    few = MINE.interactions[MINE.interactions["user_id"].isin(NEW_USERS)]
    tuned = fine_tune(start, RecData(few, MINE.items, name="mine"), tmp_path / "tuned")
    of_old = {pair for pair in pairs_of(tuned, "test") if pair[0] not in NEW_USERS}
    assert of_old == pairs_of(start, "test")


def test_what_stays_in_training_is_counted(tmp_path):
    base, mine = scenario("older history is imported")
    start = train("popularity", base, tmp_path / "start")
    tuned = fine_tune(start, mine, tmp_path / "tuned")
    learned = pairs_of(start, "train", "validation")
    whole = RecData(WHOLE.interactions, WHOLE.items)
    late = frame_pairs(SPLITS["temporal"](whole).test)
    expected = f"{len(late & learned)} of {len(late)} test events stay in training"
    assert expected in tuned.info["data"]["split"]
    assert pairs_of(tuned, "test") == late - learned


def test_a_repeated_purchase_of_a_learned_pair_is_no_test_event(tmp_path):
    start = train("popularity", BASE, tmp_path / "start")
    old = BASE.interactions.groupby("user_id").head(1)
    again = old.assign(timestamp=old["timestamp"] + 10**8)
    tuned = fine_tune(start, RecData(again, BASE.items, name="again"), tmp_path / "tuned")
    assert not pairs_of(tuned, "validation", "test") & frame_pairs(again)
    assert sum(map(len, tuned.parts.values())) == len(BASE.interactions) + len(again)


@pytest.mark.parametrize("columns", [("rating", "timestamp"), ("rating",), ()])
def test_a_full_export_adds_what_is_new_alone(columns, tmp_path):
    kept = ["user_id", "item_id", *columns]
    base = RecData(BASE.interactions[kept], BASE.items, name="base")
    full = RecData(WHOLE.interactions[kept].iloc[::-1], WHOLE.items, name="mine")
    mine = RecData(MINE.interactions[kept], MINE.items, name="mine")
    start, lines = train("popularity", base, tmp_path / "start"), []
    union = grown_tables(start, full, lines.append)
    assert lines == [f"{len(base.interactions)} of {len(WHOLE.interactions)} events of mine are "
                     "the model's own: dropped"]  # fmt: skip
    assert len(union.interactions) == len(WHOLE.interactions)
    assert not union.interactions.duplicated().any()
    from_full, from_mine = (
        fine_tune(start, one, tmp_path / name) for name, one in (("full", full), ("new", mine))
    )
    assert from_full.info["test"] == from_mine.info["test"]
    with pytest.raises(ValueError, match=r"All \d+ events of base are the model's own"):
        fine_tune(start, base, tmp_path / "nothing")
    assert not (tmp_path / "nothing").exists()


def test_copies_are_counted_where_no_time_tells_events_apart(tmp_path):
    kept = BASE.interactions[["user_id", "item_id"]]
    twice = RecData(pd.concat([kept, kept[:5]]), BASE.items, name="base")
    start = train("popularity", twice, tmp_path / "start")
    more = RecData(pd.concat([kept, kept[:5], kept[:2]]), BASE.items, name="mine")
    assert len(grown_tables(start, more).interactions) == len(kept) + 7


def test_new_users_with_one_event_each_leave_nothing_to_validate_on(bases, tmp_path):
    few = MINE.interactions[MINE.interactions["user_id"].isin(NEW_USERS)]
    few = few[~few["item_id"].isin(NEW_ITEMS)].groupby("user_id").head(1)
    lines = []
    tuned = fine_tune(
        bases["two_tower"],
        RecData(few, MINE.items, name="mine"),
        tmp_path / "run",
        say=lines.append,
        **{**QUICK, "refit": False},
    )
    assert any("no event is left for validation, so all epochs are trained" in one for one in lines)
    assert tuned.info["training"]["best_epoch"] == 2
    assert tuned.info["training"]["validation"] == {}
    assert "Epochs without validation, as given: 2." in (tuned.folder / "report.html").read_text()
    assert pairs_of(tuned, "test") == pairs_of(bases["two_tower"], "test") | frame_pairs(few)


def test_labels_of_new_items_land_in_their_own_columns(tmp_path):
    items = WHOLE.items
    old = items[~items["item_id"].isin(NEW_ITEMS)].assign(genres="Drama|War")
    old.loc[old.index[::2], "genres"] = "Drama"
    # As many labels as before, and other ones: nothing but their order tells them apart.
    new = items[items["item_id"].isin(NEW_ITEMS)].assign(genres="Action")
    new.loc[new.index[:1], "genres"] = "War|Action"
    late = MINE.interactions
    start = train(
        "two_tower",
        RecData(BASE.interactions, old, name="base"),
        tmp_path / "start",
        dim=4,
        item_features=("genres",),
        **ONE_PASS,
    )
    assert read_genres(start) == genres(old)
    mine = RecData(late[late["item_id"].isin(NEW_ITEMS)], new, name="mine")
    tuned = fine_tune(start, mine, tmp_path / "run", **ONE_PASS)
    assert read_genres(tuned) == genres(old) | genres(new)
    kept = ops.convert_to_numpy(tuned.model.get_layer("items").features)
    np.testing.assert_array_equal(tuned.features.multi_hot(), kept)
    assert tuned.features.labels == (("genres", "Drama"), ("genres", "War"), ("genres", "Action"))
    kernel = next(row for row in tuned.info["carried"] if row["weight"].endswith("kernel"))
    assert (kernel["kept"], kernel["new"]) == (2 * 4, 4)
    without = RecData(mine.interactions, new.drop(columns="genres"), name="mine")
    with pytest.raises(ValueError, match="The items of mine lack `genres`, which the model reads"):
        fine_tune(start, without, tmp_path / "refused")
    (without_checksums(start.folder) / "item_columns.csv").unlink()
    with pytest.raises(ValueError, match="keeps no labels of its items"):
        fine_tune(load_run(start.folder), mine, tmp_path / "refused")


@pytest.fixture(scope="module")
def continued(bases, tmp_path_factory):
    folder = tmp_path_factory.mktemp("continued") / "run"
    return fine_tune(bases["two_tower"], MINE, folder, **ONE_PASS)


@pytest.mark.parametrize("kind", ["uncompiled", "saved and loaded"])
def test_it_continues_from_any_model(kind, bases, continued, tmp_path):
    start = bases["two_tower"]
    if kind == "uncompiled":
        model = type(start.model).from_config(start.model.get_config())
        model.set_weights(start.model.get_weights())
    else:
        model = keras.saving.load_model(start.folder / "model.keras")
    made = fine_tune(replace(start, model=model), MINE, tmp_path / "run", **ONE_PASS)
    pairs = zip(made.model.get_weights(), continued.model.get_weights(), strict=True)
    for one, other in pairs:
        np.testing.assert_array_equal(one, other)


def test_old_and_new_rows_start_with_steps_of_the_learning_rate():
    def model(rows):
        x = keras.Input((), dtype="int32")
        return keras.Model(x, keras.layers.Embedding(rows, 1)(x))

    def steps(one, ids, number):
        """Sizes of the steps of each row down a loss with a constant slope."""
        one.compile(keras.optimizers.Adam(0.01), lambda y, x: y * x)
        table, found = one.weights[0], []
        for _ in range(number):
            before = ops.convert_to_numpy(table)
            one.train_on_batch(ids, np.ones((len(ids), 1)))
            found.append(before - ops.convert_to_numpy(table))
        return np.array(found)[..., 0] / 0.01

    small, large = model(2), model(3)
    steps(small, np.arange(2), 50)
    carry_over(small, large, [(2, 3)])
    assert steps(large, np.arange(3), 8) == pytest.approx(np.ones((8, 3)), rel=1e-3)


def test_fine_tuned_runs_of_one_split_become_an_ensemble_and_others_do_not(tmp_path):
    starts = {name: train(name, BASE, tmp_path / name) for name in ("ease", "popularity")}
    tuned = {name: fine_tune(run, MINE, tmp_path / f"{name} tuned") for name, run in starts.items()}
    folders = [run.folder for run in tuned.values()]
    made = train_ensemble(folders, tmp_path / "ensemble")
    with pytest.raises(ValueError, match=r"ensemble cannot grow; .*, two_tower can"):
        fine_tune(made, MINE, tmp_path / "refused")
    assert pairs_of(made, "test") == pairs_of(tuned["ease"], "test")
    # The same events from scratch: other indices of users and items, other parts.
    union = grown_tables(starts["ease"], MINE)
    fresh = train("popularity", union, tmp_path / "fresh")
    save_info(fresh.folder, fresh.info | {"data": tuned["ease"].info["data"]})
    with pytest.raises(ValueError, match=r"must have the same users in the same order"):
        train_ensemble([folders[0], fresh.folder], tmp_path / "refused")
    # The same indices, but validation events of one are training events of the other.
    parts = dict(np.load(folders[1] / "events.npz", allow_pickle=False))
    for column in ("user", "item", "rating", "timestamp"):
        parts[f"validation.{column}"], parts[f"test.{column}"] = (
            parts[f"test.{column}"],
            parts[f"validation.{column}"],
        )
    np.savez(folders[1] / "events.npz", allow_pickle=False, **parts)
    save_info(folders[1], tuned["popularity"].info)
    with pytest.raises(ValueError, match=r"must have the same parts in the same order"):
        train_ensemble(folders, tmp_path / "refused")


def test_what_auto_stood_for_stays_when_the_catalog_grows(bases, tmp_path, monkeypatch):
    monkeypatch.setattr(
        "tfrec_fusion.zoo.models.two_tower.config.LARGEST_SOFTMAX", len(bases["two_tower"].items)
    )
    tuned = fine_tune(bases["two_tower"], MINE, tmp_path / "run", **ONE_PASS)
    assert tuned.model.config.negatives == "catalog"
    assert len(tuned.items) > len(bases["two_tower"].items)


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
    with pytest.raises(ValueError, match=r"keeps its `dim`, 8\. Received: 4\. Omit it"):
        fine_tune(start, MINE, tmp_path / "run", dim=4)
    with pytest.raises(ValueError, match=r"keeps its `split`, 'temporal'\. Received: 'cold_item'"):
        fine_tune(start, MINE, tmp_path / "run", split="cold_item")
    with pytest.raises(ValueError, match=r"two_tower takes the keywords .*\. Received: gmf_dim"):
        fine_tune(start, MINE, tmp_path / "run", gmf_dim=4)
    assert not (tmp_path / "run").exists()


def test_a_hybrid_reads_new_texts_in_the_space_of_its_start(tmp_path, monkeypatch):
    monkeypatch.setenv("TFREC_FUSION_CACHE", str(tmp_path / "cache"))
    preset = save_tiny_bert(tmp_path / "tiny_bert", WHOLE.items["text"])
    sizes = {"dim": 4, "history_length": 6, "text_components": 3}
    start = train("gpt2_hybrid", BASE, tmp_path / "start", text_preset=preset, **sizes, **ONE_PASS)
    tuned = fine_tune(start, MINE, tmp_path / "run", **ONE_PASS)
    assert tuned.info["options"]["text_preset"] == preset
    old, new = (run.model.get_layer("item_text") for run in (start, tuned))
    for name in ("mean", "projection"):
        np.testing.assert_array_equal(getattr(new, name), getattr(old, name))
    read = text_vectors(["", *tuned.texts[1:]], preset)
    expected = ops.convert_to_numpy(old.vectors_of_text(read))
    received = ops.convert_to_numpy(new.vectors)
    np.testing.assert_allclose(received[1:], expected[1:], atol=1e-6)
    np.testing.assert_allclose(received[1 : len(start.items)], old.vectors[1:], atol=1e-6)
    assert np.linalg.norm(received[len(start.items) :], axis=1) == pytest.approx(1)
    events = tuned.parts["train"]
    known = ops.convert_to_numpy(tuned.model.get_layer("items").known)
    np.testing.assert_array_equal(known[1:] > 0, (events.item_counts > 0)[1:])


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


def test_events_of_a_start_without_times_come_before_those_with_times(tmp_path):
    timeless = RecData(BASE.interactions.drop(columns="timestamp"), BASE.items, name="base")
    start = train("popularity", timeless, tmp_path / "start")
    events = grown_tables(start, MINE).interactions
    earliest = int(MINE.interactions["timestamp"].min())
    old = events["timestamp"] == earliest - 1
    assert old.sum() == len(BASE.interactions)
    assert events.loc[~old, "timestamp"].min() == earliest


def test_labels_joined_otherwise_keep_their_features(tmp_path):
    items = BASE.items.assign(genres=BASE.items["genres"] + ", all")
    options = {**ONE_PASS, "item_features": ("genres",)}
    tables = RecData(BASE.interactions, items)
    with pytest.raises(ValueError, match=r"separated by ','.*Give --label-separator ','"):
        train("two_tower", tables, tmp_path / "bad", **options)
    start = train("two_tower", tables, tmp_path / "s", label_separator=", ", **options)
    labels = [label for _, label in start.features.labels]
    assert labels == sorted({"all", *BASE.items["genres"]})
    assert start.features.multi_hot()[1:].sum(1).tolist() == [2] * len(items)
    more = MINE.items.assign(genres=MINE.items["genres"] + ", new")
    mine = RecData(MINE.interactions, more, name="mine")
    made = fine_tune(start, mine, tmp_path / "made", **ONE_PASS)
    assert made.info["options"]["label_separator"] == ", "
    assert made.features.labels[: len(labels)] == start.features.labels
    assert ("genres", "new") in made.features.labels[len(labels) :]
