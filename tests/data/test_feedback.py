"""Every event is positive, and it is said; those rated low are dropped where that is asked."""

import json

import pandas as pd
import pytest
from command_line import run

from tfrec_fusion.data.sources.synthetic import generate
from tfrec_fusion.data.tables.feedback import feedback_note
from tfrec_fusion.data.tables.rec_data import checksum, from_frames, load_csv
from tfrec_fusion.zoo.prebuilt.training_command import training_command
from tfrec_fusion.zoo.runs.fine_tuning import fine_tune
from tfrec_fusion.zoo.runs.train import train

EVENTS = pd.DataFrame(
    {"user_id": [1, 1, 2, 2], "item_id": ["a", "b", "a", "c"], "rating": [5, -1, 0, 4]}
)
TABLES = generate(30, 25, 400, seed=6)
LOW = int((TABLES.interactions["rating"] < 3).sum())


@pytest.fixture(scope="module")
def liked(tmp_path_factory):
    """A run that took ratings from 3 upward, and what was said."""
    said = []
    folder = tmp_path_factory.mktemp("runs") / "liked"
    return train("ease", TABLES, folder, positive_from=3, say=said.append), said


def test_events_rated_low_are_dropped_and_counted(caplog):
    data = from_frames(EVENTS, positive_from=4)
    assert data.interactions["item_id"].tolist() == ["a", "c"]
    assert data.interactions["rating"].tolist() == [5, 4]
    assert data.items["item_id"].tolist() == ["a", "b", "c"]  # the catalog stays
    assert "2 of 4 events are rated below 4: dropped" in caplog.messages
    kept = from_frames(EVENTS, positive_from=-1).interactions["rating"]
    assert kept.tolist() == EVENTS["rating"].tolist()


def test_truth_values_are_ratings_of_0_and_1(tmp_path):
    frame = EVENTS.assign(rating=[True, False, False, True])
    assert from_frames(frame, positive_from=1).interactions["item_id"].tolist() == ["a", "c"]
    assert "also the 2 of 4 with a rating of at most 0" in feedback_note(
        from_frames(frame).interactions
    )
    EVENTS.to_csv(tmp_path / "e.csv", index=False)
    assert len(load_csv(tmp_path / "e.csv", positive_from=0).interactions) == 3


@pytest.mark.parametrize(
    ("frame", "lowest", "message"),
    [
        (EVENTS, 6, r"must leave events. Received: 6, and ratings from -1 to 5"),
        (EVENTS.drop(columns="rating"), 1, r"needs a column `rating` .*'user_id', 'item_id'"),
        (EVENTS, float("nan"), "must be a finite number"),
    ],
)
def test_what_leaves_no_positive_event_is_refused(frame, lowest, message):
    with pytest.raises(ValueError, match=f"`positive_from` {message}"):
        from_frames(frame, positive_from=lowest)


@pytest.mark.parametrize(
    ("ratings", "note"),
    [
        ([5, -1, 0, 4], "also the 2 of 4 with a rating of at most 0; --positive-from R"),
        ([0, 0, 0, 0], "also the 4 of 4 with a rating of at most 0; --positive-from R"),
        ([5, 1, 3, 4], "whatever its rating, from 1 to 5; --positive-from R"),
        ([1, 1, 1, 1], None),
    ],
)
def test_the_note_says_what_counts_as_positive(ratings, note):
    said = feedback_note(EVENTS.assign(rating=ratings))
    if note is None:
        assert said == ""
    else:
        assert said.startswith(f"every event counts as positive, {note}")
    assert feedback_note(EVENTS.drop(columns="rating")) == ""


def test_a_training_takes_positive_events_alone_and_says_so(liked):
    run_, said = liked
    events = TABLES.interactions[TABLES.interactions["rating"] >= 3]
    kept = set(zip(events["user_id"], events["item_id"], strict=True))
    known = run_.recommender.known
    pairs = zip(run_.users.id_of(known.user), run_.items.id_of(known.item), strict=True)
    assert set(pairs) == kept
    assert said[0] == f"{LOW} of 400 events are rated below 3: dropped"
    assert said[1].startswith("every event counts as positive, whatever its rating, from 3 to 5")
    assert run_.info["options"]["positive_from"] == 3
    assert run_.info["data"]["checksum"] == checksum(TABLES)  # of the data as they are read
    assert "--positive-from 3" in training_command("ease.mine", run_.info, {})


def test_fine_tuning_repeats_the_choice(liked, tmp_path):
    run_, _ = liked
    said = []
    more = TABLES.interactions.iloc[:40].assign(
        timestamp=lambda rows: rows["timestamp"] + 10**8, rating=[1.0, 5.0] * 20
    )
    mine = from_frames(pd.concat([TABLES.interactions, more]), TABLES.items, name="mine")
    made = fine_tune(run_, mine, tmp_path / "run", say=said.append)
    assert said[0] == f"{LOW + 20} of 440 events are rated below 3: dropped"
    assert len(made.recommender.known) == 400 - LOW + 20
    assert made.info["options"]["positive_from"] == 3


def test_the_command_line_takes_it_and_reads_a_folder_as_it_is_written(tmp_path):
    frame = TABLES.interactions.assign(
        rating=TABLES.interactions["rating"].map(lambda one: f"{one:g},0")
    )
    frame.to_csv(tmp_path / "interactions.csv", index=False, sep=";")
    given = ["--data", tmp_path, "--sep", ";", "--decimal", ",", "--positive-from", 3]
    result = run("train", "popularity", *given, "--out", tmp_path / "run")
    assert f"{LOW} of 400 events are rated below 3: dropped" in result.stderr
    options = json.loads((tmp_path / "run" / "run.json").read_text())["options"]
    assert options["positive_from"] == 3
    refused = run("train", "popularity", "--data", tmp_path, "--out", tmp_path / "r", code=2)
    assert "give --sep ';'" in refused.stderr
