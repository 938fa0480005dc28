"""Repeat consumption: users buy the same items again. What is said of it, and `--allow-seen`."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
from command_line import answer, run
from quick_training import without_graphs, without_pictures  # noqa: F401 (fixtures)
from repeated_events import REPEATS, SMALL, tables_of
from watched_training import ndcg, scores_of

from tfrec_fusion import zoo
from tfrec_fusion.zoo.runs.ensembling import train_ensemble
from tfrec_fusion.zoo.runs.fine_tuning import fine_tune
from tfrec_fusion.zoo.runs.full_ranking import count_seen
from tfrec_fusion.zoo.runs.train import train

SEEN = {"allow_seen": True, "progress": False}

# Milk, bread, eggs, tea. Everybody buys one thing each week; the tenth week is validation's
# neighbor, weeks 9 and 10 are the test part, week 8 validation.
GROCERY = tables_of([[0] * 10, [0] * 10, [1] * 10, [2] * 8 + [3, 2]], 12)


@pytest.fixture(scope="module")
def grocery(tmp_path_factory):
    folder = tmp_path_factory.mktemp("grocery")
    for name in ("interactions", "items"):
        getattr(GROCERY, name).to_parquet(folder / f"{name}.parquet")
    return folder


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Popularity and EASE, measured with items already seen and without."""
    top = tmp_path_factory.mktemp("runs")
    return {
        (name, seen): train(name, GROCERY, top / f"{name}-{seen}", **(SEEN if seen else {}))
        for name in ("popularity", "ease")
        for seen in (False, True)
    }


def test_popularity_of_what_is_bought_again_by_hand(runs):
    # Two users have item 0, one has 1, one has 2; then come those that nobody has, by index.
    # Held out: 0; 0; 1; and of the last user 3 and 2, at places 4 and 3.
    last = (1 / np.log2(4) + 1 / np.log2(5)) / (1 + 1 / np.log2(3))
    found = runs["popularity", True].info
    assert found["test"]["ndcg@10"] == pytest.approx((1 + 1 + 1 / np.log2(3) + last) / 4)
    assert found["test"]["mrr@10"] == pytest.approx((1 + 1 + 1 / 2 + 1 / 3) / 4)
    assert found["test"]["recall@10"] == 1
    # Without them only item 3 of the last user can be hit, the first but 0, 1: 0 1 3.
    found = runs["popularity", False].info
    assert found["test"]["ndcg@10"] == pytest.approx(1 / np.log2(4) / (1 + 1 / np.log2(3)) / 4)
    assert found["test"]["recall@10"] == pytest.approx(1 / 2 / 4)


def test_what_cannot_be_hit_is_counted_and_said(runs):
    without, with_them = (runs["popularity", seen].info for seen in (False, True))
    for info in (without, with_them):
        assert info["test_events"] == 8 and info["test_events_seen"] == 7
    what = "7 of 8 test events are of items that their users have already"
    hint = "they are never ranked, so never hit. --allow-seen ranks them too."
    assert without["notes"][0] == f"{what}: {hint}"
    assert with_them["notes"][0] == f"{what}; items already seen are ranked too."
    assert without["options"]["allow_seen"] is False and with_them["options"]["allow_seen"]
    for seen in (False, True):
        page = (runs["popularity", seen].folder / "report.html").read_text()
        assert what in page
        assert ("ranked but those a user knows" in page) != seen


def test_the_classics_beside_are_measured_alike(runs):
    for name in ("popularity", "ease"):
        found = {row["model"]: row["metrics"] for row in runs[name, True].info["rows"]}
        for classic in ("popularity", "ease"):
            expected = runs[classic, True].info["test"]
            assert found[f"{classic} (classic)"] == pytest.approx(expected)


def test_all_repeats_say_why_every_number_is_0(tmp_path):
    found = train("popularity", REPEATS, tmp_path / "run")
    assert found.info["test"]["ndcg@10"] == found.info["test"]["hr@10"] == 0
    assert found.info["notes"][0] == (
        "6 of 6 test events are of items that their users have already: none of them can be "
        "ranked, so every metric of the lists is 0 for any model. --allow-seen ranks them too."
    )


def test_a_history_is_still_what_query_towers_read(tmp_path):
    made = train("two_tower", REPEATS, tmp_path / "run", epochs=2, **SEEN, **SMALL["two_tower"])
    known, test = made.known_at_test, made.parts["test"]
    nothing = dataclasses.replace(
        known, **{name: getattr(known, name)[:0] for name in ("user", "item")}
    )
    scores = scores_of(made.model, known)
    assert made.info["test"]["ndcg@10"] == pytest.approx(ndcg(scores, nothing, test), abs=1e-6)
    assert not np.allclose(scores, scores_of(made.model, nothing_known(known)))
    assert "ndcg@10" in made.info["training"]["validation"]


def nothing_known(events):
    columns = ("user", "item", "rating", "timestamp")
    return dataclasses.replace(events, **{name: getattr(events, name)[:0] for name in columns})


def test_evaluate_follows_the_run_and_can_rank_seen_items_anyway(runs):
    folders = {seen: runs["ease", seen].folder for seen in (False, True)}
    plain, followed = (answer("evaluate", folders[seen]) for seen in (False, True))
    asked = answer("evaluate", folders[False], "--allow-seen")
    assert plain["test"] == pytest.approx(runs["ease", False].info["test"])
    assert followed["test"] == asked["test"] == pytest.approx(runs["ease", True].info["test"])
    assert [one["allow_seen"] for one in (plain, followed, asked)] == [False, True, True]
    assert plain["test_events_seen"] == 7 and "7 of 8 test events" in plain["notes"][0]
    assert "7 of 8 test events" in run("evaluate", folders[False]).output


def test_an_ensemble_follows_its_members(runs, tmp_path):
    members = [runs[name, True].folder for name in ("popularity", "ease")]
    made = train_ensemble(members, tmp_path / "made", allow_seen=True)
    assert made.info["options"]["allow_seen"] is True
    assert made.info["test"]["recall@10"] == 1
    # Nobody shares two items, so that EASE knows no more than the order: week 8 is at 1, 1, 2, 3.
    value = (1 + 1 + 1 / np.log2(3) + 1 / 2) / 4
    assert made.info["training"]["validation"]["ndcg@10"] == pytest.approx(value)
    mixed = [runs["popularity", True].folder, runs["ease", False].folder]
    with pytest.raises(ValueError, match=r"Received: ease without\. Train these again with"):
        train_ensemble(mixed, tmp_path / "mixed")
    plain = [runs[name, False].folder for name in ("popularity", "ease")]
    refused = run("ensemble", *plain, "--allow-seen", "--out", tmp_path / "plain", code=2).output
    assert "popularity, ease without" in refused


def test_fine_tuning_inherits_it(runs, tmp_path):
    more = dataclasses.replace(
        GROCERY,
        interactions=GROCERY.interactions.assign(timestamp=GROCERY.interactions.timestamp + 10**6),
    )
    for seen in (False, True):
        made = fine_tune(runs["popularity", seen], more, tmp_path / str(seen))
        assert made.info["options"]["allow_seen"] is seen
        assert (made.info["test"]["hr@10"] > 0) == seen
    given = fine_tune(runs["popularity", False], more, tmp_path / "given", **SEEN)
    assert given.info["options"]["allow_seen"] is True


def test_the_option_reaches_every_command(grocery, tmp_path, runs):
    trained = answer("train", "ease", "--allow-seen", "--data", grocery, "--out", tmp_path / "ease")
    assert trained["options"]["allow_seen"] is True
    assert trained["test"] == pytest.approx(runs["ease", True].info["test"])
    tuned = ["--data", grocery, "--out", tmp_path / "tuned", "--allow-seen"]
    said = run("fine-tune", tmp_path / "ease", *tuned, code=2).output
    assert "All 40 events" in said  # the option is known; there is nothing to continue with
    for name in zoo.list_models():
        assert "--allow-seen" in run("train", name, "--help").output
    json.loads((tmp_path / "ease" / "run.json").read_text(), parse_constant=pytest.fail)


def test_repeats_are_counted_by_event(runs):
    found = runs["popularity", False]
    assert count_seen(found.known_at_test, found.parts["test"]) == 7
    assert count_seen(nothing_known(found.known_at_test), found.parts["test"]) == 0
