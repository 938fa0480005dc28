"""Items pushed by made-up profiles: found by likeness worked by hand, and not otherwise."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from checkout import ROOT

from tfrec_fusion.data.events import Events
from tfrec_fusion.data.indexed import index_data
from tfrec_fusion.data.suspicious import audit, audit_lines, audit_note, suspicious_items
from tfrec_fusion.data.tables.rec_data import from_frames
from tfrec_fusion.zoo.runs.run import load_run
from tfrec_fusion.zoo.runs.train import train

DAY, BEGIN = 24 * 3600, 1_500_000_000
FILLERS = np.arange(1, 6)  # five items; each made-up profile has four of them
TARGET = 40


def honest(num_users=200, num_items=39, days=1000):
    """`(user, item, time)` of people with six items each, who start one after the other."""
    rng, rows = np.random.default_rng(0), []
    for user in range(1, num_users + 1):
        start = BEGIN + user * days * DAY // num_users
        for step, item in enumerate(rng.choice(np.arange(1, num_items + 1), 6, replace=False)):
            rows.append((user, int(item), start + step))
    return rows


def made_up(number, every=DAY // 2, first=201, begin=BEGIN + 500 * DAY, items=None):
    """Profiles of the target and four of five fillers: any two of them share three."""
    rows = []
    for one in range(number):
        chosen = np.delete(FILLERS, one % 5) if items is None else items(one)
        for step, item in enumerate([*chosen, TARGET]):
            rows.append((first + one, int(item), begin + one * every + step))
    return rows


def events_of(rows):
    user, item, time = (np.array(column) for column in zip(*sorted(rows), strict=True))
    ones = np.ones(len(user), np.float32)
    sizes = (int(user.max()) + 1, TARGET + 1)
    columns = (user.astype(np.int32), item.astype(np.int32), ones, time.astype(np.int64))
    return Events(*columns, *sizes)


def test_an_item_of_few_new_profiles_that_are_alike_is_found():
    (found,) = suspicious_items(events_of([*honest(), *made_up(5), (7, TARGET, BEGIN)]))
    assert (found.item, found.num_users) == (TARGET, 6)
    assert found.users.tolist() == [201, 202, 203, 204, 205]
    # The closest five of six are compared: any two share three of their four fillers.
    assert found.likeness == pytest.approx(0.75)
    assert found.usual_likeness < 0.25  # six of 39 items each
    assert (found.start, found.end) == (BEGIN + 500 * DAY, BEGIN + 502 * DAY)


def wide(one):
    """Four items that no two of the first nine profiles share."""
    return [1 + 4 * one + step for step in range(4)]


CLEAN = {
    "nobody": [],
    "too few": made_up(2),
    "slowly": made_up(5, every=60 * DAY),
    "not alike": made_up(5, items=wide),
    "among many others": [*made_up(5), *((user, TARGET, BEGIN) for user in range(1, 200, 33))],
}


@pytest.mark.parametrize("case", CLEAN)
def test_what_may_be_honest_is_not_reported(case):
    assert suspicious_items(events_of([*honest(), *CLEAN[case]])) == []


def test_a_class_that_starts_together_is_not_reported():
    many = honest(num_users=2000)
    pushed = [(2000 + user, item, time) for user, item, time in made_up(5, first=1)]
    assert suspicious_items(events_of([*many, *pushed]))
    everybody = made_up(60, every=DAY // 30, first=2006)  # alike, but without the item
    class_mates = [row for row in everybody if row[1] != TARGET]
    assert suspicious_items(events_of([*many, *pushed, *class_mates])) == []


@pytest.mark.parametrize("time", [lambda at: 0, lambda at: at % 100])
def test_without_times_nothing_is_found(time):
    rows = [(user, item, time(at)) for user, item, at in [*honest(), *made_up(5)]]
    assert suspicious_items(events_of(rows)) == []


def test_events_of_nobody_and_of_no_item_are_left_out():
    rows = [*honest(), *made_up(5), (0, TARGET, BEGIN), *((u, 0, BEGIN) for u in range(201, 206))]
    (found,) = suspicious_items(events_of(rows))
    assert found.num_users == 5 and found.start == BEGIN + 500 * DAY


def tables(rows):
    frame = pd.DataFrame(rows, columns=["user_id", "item_id", "timestamp"])
    items = pd.DataFrame({"item_id": np.arange(1, TARGET + 1)})
    items["title"] = ["<b>Pushed</b>" if one == TARGET else f"Film {one}" for one in items.item_id]
    return from_frames(frame.assign(user_id="secret-" + frame.user_id.astype(str)), items)


def test_training_says_it_once_and_the_report_names_the_items(tmp_path):
    said = []
    run = train("popularity", tables([*honest(), *made_up(5)]), tmp_path / "run", say=said.append)
    note = (
        "1 item gets most of its events from 5 profiles that started together and are alike, such "
        "as <b>Pushed</b>: see report.html, and `suspicious` in run.json. Nothing was dropped."
    )
    assert said.count(note) == 1 and run.info["notes"].count(note) == 1
    info = json.loads((tmp_path / "run" / "run.json").read_text("utf-8"))
    (row,) = info["suspicious"]["items"]
    assert (row["item_id"], row["users"], row["together"]) == ("40", 5, 5)
    assert (row["likeness"], row["first"], row["last"]) == (0.75, "2018-11-26", "2018-11-28")
    page = (tmp_path / "run" / "report.html").read_text("utf-8")
    line = "Suspicious: &lt;b&gt;Pushed&lt;/b&gt; (40): 5 of its 5 users started between 2018-11-26"
    assert line in page and "cosine of their profiles is 0.75" in page
    # Who they are is for those who may read the events.
    assert "secret-" not in page + json.dumps(info)
    assert sum(map(len, load_run(tmp_path / "run").parts.values())) == 200 * 6 + 25  # all are there


def test_clean_data_are_not_spoken_of(tmp_path):
    said = []
    run = train("popularity", tables(honest()), tmp_path / "run", say=said.append)
    assert "suspicious" not in run.info and not any("alike" in one for one in said)


def test_notes_of_many_items_are_counted():
    many = [(201 + one, item, BEGIN + 500 * DAY + one) for one in range(5) for item in (38, 39, 40)]
    few = [row for row in honest(num_items=37) if row[1] < 38]
    found = audit(index_data(tables([*few, *many])))
    assert audit_note(found).startswith("3 items get most of their events from 5 profiles that")
    assert len(audit_lines(found)) == 3
    assert audit_lines(found, most=2)[-1] == "And 1 more, see run.json."
    assert audit_note({}) == "" and audit_lines({}) == []


def test_the_guide_says_what_was_measured():
    root = ROOT
    guide = (root / "docs/from_raw_data_to_serving.md").read_text("utf-8")
    table = pd.read_csv(root / "benchmarks/results/fake_profiles.csv")
    said = " ".join(guide.split())
    (row,) = table.query("data == 'movielens-latest-small' and attack == 'bandwagon'").to_dict(
        "records"
    )
    assert f"from rank {row['rank before']:,.0f} to {row['rank after']:,.0f} in item-kNN's" in said
    assert table["data"].nunique() == 4 and "in any of four data sets" in said
    assert (table["false alarms"] == 0).all()  # "no clean item was named"
    for attack, shares, numbers in (
        ("bandwagon", ("0.5%", "1.0%", "5.0%"), {5, 6}),  # "nearly every item"
        ("segment", ("0.5%", "1.0%", "5.0%"), {5, 6}),
        ("popularity", ("0.2%", "0.5%", "1.0%", "5.0%"), {0}),  # "none"
        ("random", ("0.2%", "0.5%", "1.0%", "5.0%"), {0}),
    ):
        cells = table.loc[table["attack"] == attack, [f"found, {share}" for share in shares]]
        found = {int(cell.removesuffix(" of 6")) for cell in cells.to_numpy().ravel()}
        assert found <= numbers, attack
