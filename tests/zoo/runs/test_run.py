"""A run folder gives back what was saved, part by part, and answers by what users did."""

from __future__ import annotations

import dataclasses
import json
import shutil

import numpy as np
import pandas as pd
import pytest
from older_run import without_checksums
from run_tables import DATA, INTERESTS

from tfrec_fusion import zoo
from tfrec_fusion.data.indexed import merge
from tfrec_fusion.files.string_table import read_strings, write_strings
from tfrec_fusion.zoo.answers import compiled_scores as scoring
from tfrec_fusion.zoo.answers.compiled_scores import compiled_scores
from tfrec_fusion.zoo.runs.run import BrokenRun, load_run, save_ensemble, save_run
from tfrec_fusion.zoo.runs.run_record import read_record

COLUMNS = ("user", "item", "rating", "timestamp")


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    save_run(folder, zoo.build("ease").fit(DATA.train), DATA, {"model": "ease"}, INTERESTS)
    return load_run(folder)


def rows(events):
    return list(zip(*(getattr(events, name).tolist() for name in COLUMNS), strict=True))


def test_events_come_back_row_by_row_in_their_parts(saved):
    for part in ("train", "validation", "test"):
        assert rows(saved.parts[part]) == rows(getattr(DATA, part)) != []
        assert saved.parts[part].num_items == len(DATA.items)


def test_train_and_validation_are_known_at_test(saved):
    assert rows(saved.known_at_test) == rows(DATA.train_and_validation)
    assert len(saved.known_at_test) == len(DATA.train) + len(DATA.validation)


def test_everything_is_known_when_a_run_is_asked(saved):
    assert rows(saved.recommender.known) == rows(DATA.everything)
    user = 2  # took odd items, others even ones as well
    taken = set(DATA.items.id_of(DATA.everything.item[DATA.everything.user == user]))
    found = saved.recommender.recommend(DATA.users.ids[user], k=13)
    assert set(found["item_id"]) == set(DATA.items.ids[1:]) - taken
    assert found["score"].abs().max() > 0.01
    now = saved.model.score_model(DATA.everything)({"user_id": np.array([user])})["scores"]
    own = dict(zip(DATA.items.ids, np.asarray(now)[0], strict=True))
    assert found["score"].tolist() == pytest.approx([own[item] for item in found["item_id"]])


def test_words_that_look_like_nothing_stay_words(saved):
    assert saved.titles[[12, 13]].tolist() == ["NA", "007"]
    assert saved.texts[13] == "007. None" and saved.titles[0] == saved.texts[0] == ""


def test_interests_come_back(saved):
    assert saved.interests.texts() == INTERESTS.texts() == ["", "robots", "", "", ""]
    assert saved.recommender.interests is saved.interests


def test_new_users_are_offered_what_most_people_took(saved):
    found = saved.recommender.recommend("nobody", k=5)
    counts = DATA.everything.item_counts
    assert found["score"].tolist() == sorted(counts[1:], reverse=True)[:5]


def test_a_folder_whose_saving_was_interrupted_is_no_run(tmp_path):
    model, info = zoo.build("popularity").fit(DATA.train), {"model": "popularity"}
    save_run(tmp_path, model, DATA, info)
    broken = dataclasses.replace(DATA, item_table=None)
    with pytest.raises(TypeError):
        save_run(tmp_path, model, broken, info)
    with pytest.raises(BrokenRun, match=r"run\.json is missing"):
        load_run(tmp_path)


def test_many_users_are_scored_in_parts(saved, monkeypatch):
    graph, users = saved.model.score_model(DATA.train), np.arange(len(DATA.users))
    whole = compiled_scores(graph)(users)
    monkeypatch.setattr(scoring, "PAIRS_AT_ONCE", 2 * len(DATA.items))
    np.testing.assert_array_equal(compiled_scores(graph)(users), whole)
    np.testing.assert_array_equal(saved.model.score(users), whole)
    assert compiled_scores(graph)(users[:0]).shape == (0, len(DATA.items))


def test_parts_of_a_run_are_merged_in_order_of_time(saved):
    merged = merge(*saved.parts.values())
    for user in np.unique(merged.user):
        assert (np.diff(merged.timestamp[merged.user == user]) >= 0).all()


ODD = [
    *("a bare\rreturn", "two\r\nlines", "one\nline", 'a "quoted" word', "a, comma", "null\0byte"),
    *("a\u2028separator", "  blanks  ", "NA", "", "\ud800 half a pair", "\\n", "\x1a"),
]


@pytest.fixture(scope="module")
def odd(tmp_path_factory):
    """A run whose titles, texts and labels are hard to write down."""
    cells, backwards = (pd.Series(one, dtype=object) for one in (ODD, ODD[::-1]))
    ids = [str(item) for item in range(1, 14)]
    items = pd.DataFrame({"item_id": ids, "title": cells, "text": backwards, "kind": cells})
    data = dataclasses.replace(DATA, item_table=items)
    folder = tmp_path_factory.mktemp("odd")
    save_run(folder, zoo.build("ease").fit(DATA.train), data, {"model": "ease"})
    return folder


def test_any_text_comes_back_at_its_item(odd):
    loaded = load_run(odd)
    assert loaded.catalog["title"].tolist() == ODD
    assert loaded.catalog["text"].tolist() == ODD[::-1]
    shown = [title.strip() or str(row) for row, title in enumerate(ODD, 1)]
    assert loaded.titles.tolist() == ["", *shown]
    assert loaded.item_columns["kind"].tolist() == ODD
    answer = loaded.recommender.recommend("2", k=13)
    assert answer["title"].tolist() == [shown[int(item) - 1] for item in answer["item_id"]]


def test_an_ensemble_keeps_them_too(odd, tmp_path):
    members = {"one": load_run(odd), "other": load_run(odd)}
    both = {name: {"model": "ease"} for name in members}
    info = {"model": "ensemble", "members": both, "weights": {"one": 1.0, "other": 1.0}}
    save_ensemble(tmp_path / "both", members, {**info, "scale": "scores"})
    assert load_run(tmp_path / "both").catalog["title"].tolist() == ODD


@pytest.mark.parametrize("name", ["catalogue.csv", "item_columns.csv"])
@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda table: table.drop(4), r"Received in row 5: '6' instead of '5'"),
        (lambda table: table.iloc[[1, 0, *range(2, 13)]], r"row 1: '2' instead of '1'"),
        (lambda table: table[:-1], r"row 13: nothing instead of '13'"),
        (lambda table: pd.concat([table, table[:1]]), r"row 14: '1' instead of nothing"),
        (lambda table: table.drop(columns="item_id"), r"no column `item_id`"),
    ],
)
def test_a_table_of_other_items_is_refused(name, damage, message, odd, tmp_path):
    broken = tmp_path / "broken"
    shutil.copytree(odd, broken)
    write_strings(without_checksums(broken) / name, damage(read_strings(broken / name)))
    with pytest.raises(BrokenRun, match=rf"{name} cannot be read: .*{message}.*train again"):
        load_run(broken)


def test_a_catalog_written_without_quotes_is_refused_when_a_return_shifts_it(odd, tmp_path):
    broken = tmp_path / "broken"
    shutil.copytree(odd, broken)
    table = read_strings(odd / "catalogue.csv")[["item_id", "title"]]
    table = table.assign(title=["a\rb", *["plain"] * 12], text="")
    table.to_csv(without_checksums(broken) / "catalogue.csv", index=False)
    with pytest.raises(BrokenRun, match=r"Received in row 2: 'b' instead of '2'"):
        load_run(broken)


def test_a_record_of_version_0_1_is_read_in_the_names_of_this_version(tmp_path):
    path = tmp_path / "run.json"
    weights = {"behaviour": 1.0, "language": 2.0}
    said = {"hyperparameters": {"num_neighbours": 8}, "training": {"score_weights": weights}}
    path.write_text(json.dumps({**said, "model": "knowledge_hybrid", "data": {"licence": "CC0"}}))
    read = read_record(path)
    assert read["hyperparameters"] == {"num_neighbors": 8}
    assert read["training"]["score_weights"] == {"behavior": 1.0, "language": 2.0}
    assert read["data"]["license"] == "CC0"
    assert read["options"]["production"] is False  # of later versions
    former = "profile_semantics_behaviour"
    path.write_text(json.dumps({"model": former}))
    assert read_record(path)["model"] == "profile_fusion"
    members = {former: {"model": former, "run": "a"}, "ease": {"model": "ease"}}
    more = {"members": members, "weights": {former: 0.5, "ease": 0.5}, "scale": "ranks"}
    path.write_text(json.dumps({"model": "ensemble", **more}))
    read = read_record(path)["members"]
    assert read[former] == {"model": "profile_fusion", "run": "a"}
    assert read["ease"] == {"model": "ease", "run": ""}
