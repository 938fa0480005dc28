"""Run folders of strangers: each file is sound, or there is one error that names it."""

from __future__ import annotations

import os
import shutil

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from run_tables import DATA
from saved_runs import (
    ROW,
    TRAINING,
    refusal,
    said,
    write,
)

from tfrec_fusion.errors import UserError
from tfrec_fusion.evaluation.report import ReportRow
from tfrec_fusion.zoo.prebuilt.publishing import _limits
from tfrec_fusion.zoo.prebuilt.training_command import training_command
from tfrec_fusion.zoo.runs.comparison import notes
from tfrec_fusion.zoo.runs.run import BrokenRun, is_measured, load_run


@pytest.mark.parametrize("name", ["ease", "gmf", "ensemble"])
def test_what_was_saved_is_read(name, saved_runs):
    run = load_run(saved_runs / name)
    assert run.info.items() >= {**said(saved_runs / name), "options": run.info["options"]}.items()
    assert run.info["options"].items() >= said(saved_runs / name)["options"].items()
    assert len(run.recommender.recommend("1", k=2)) == 2


def test_a_run_that_says_little_has_the_defaults(copied_run):
    folder = copied_run("ease")
    write(folder, {"model": "ease"})
    info = load_run(folder).info
    assert info["options"]["seed"] == 0 and info["options"]["text_preset"] == "minilm"
    assert (info["data"]["name"], info["training"], info["rows"]) == ("", TRAINING, [])


CHANGES = [
    ("ease", lambda one: [], r"Its content must be an object\. Received: \[\]\."),
    ("ease", lambda one: {}, r"`model` is missing"),
    ("ease", lambda one: one | {"model": ["ease"]}, r"`model` must be a string\. Received: \['ea"),
    ("ease", lambda one: one | {"model": "yours"}, r"`model` must be one of .* Received: 'yours'"),
    ("ease", lambda one: one | {"model": "ensemble"}, r"`members` is missing"),
    ("ease", lambda one: one | {"command": 3}, r"`command` must be a string\. Received: 3"),
    ("ease", lambda one: one | {"options": 3}, r"`options` must be an object\. Received: 3"),
    (
        "ease",
        lambda one: one | {"options": {"seed": -1}},
        r"`options` must be those of a training: `seed` must be from 0",
    ),
    ("ease", lambda one: one | {"options": {"allow_seen": "no"}}, r"`allow_seen` must be True or"),
    ("ease", lambda one: one | {"options": {"loss_weights": [1]}}, r"`options\.loss_weights` must"),
    ("ease", lambda one: one | {"options": {"text_columns": {"a": 0}}}, r"`options\.text_columns`"),
    ("ease", lambda one: one | {"hyperparameters": {"l2": "x"}}, r"`l2` must be a number"),
    ("ease", lambda one: one | {"hyperparameters": {"l2": -1}}, r"`l2` must be above 0"),
    ("ease", lambda one: one | {"hyperparameters": {"q": 1}}, r"of ease must be among l2, .*: q"),
    ("ease", lambda one: one | {"test": {"ndcg@10": "high"}}, r"`test\.ndcg@10` must be a number"),
    (
        "ease",
        lambda one: one | {"test_intervals": {"a": [1]}},
        r"`test_intervals\.a` must be a lis",
    ),
    ("ease", lambda one: one | {"rows": [{"model": "x"}]}, r"`rows\[0\]\.metrics` is missing"),
    ("ease", lambda one: one | {"rows": [ROW | {"x": 1}]}, r"`rows\[0\]` has only .*: x\."),
    ("ease", lambda one: one | {"notes": "none"}, r"`notes` must be a list"),
    ("ease", lambda one: one | {"item_labels": [["a"]]}, r"`item_labels\[0\]` must be a list of 2"),
    ("gmf", lambda one: one | {"training": {"best_epoch": 0.5}}, r"`training\.best_epoch` must be"),
    ("gmf", lambda one: one | {"model": "mlp"}, r"must hold the model mlp\. Received: 'gmf'"),
    ("ensemble", lambda one: one | {"scale": "best"}, r"`scale` must be one of scores, ranks"),
    ("ensemble", lambda one: one | {"weights": {"ease": 1}}, r"`weights` must name the members"),
    ("ensemble", lambda one: one | {"weights": {"ease": 1, "gmf": -1}}, r"`weights\.gmf` must be"),
]


@pytest.mark.parametrize(("name", "change", "message"), CHANGES)
def test_a_field_that_is_not_what_it_must_be_is_named(name, change, message, copied_run):
    folder = copied_run(name)
    write(folder, change(said(folder)))
    told = refusal(folder)
    with pytest.raises(BrokenRun, match=message):
        load_run(folder)
    assert told.startswith(f"{folder}/") and told.endswith(f"train again with --out {folder}.")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is no sound JSON: Expecting value"),
        ('{"model": "ease", "model": "gmf"}', "'model' occurs twice in one object"),
        ('{"model": "ease", "test": {"a": NaN}}', "must be finite. Received: NaN"),
        ('{"model": "ease", "test": {"a": 1e999}}', "must be finite. Received: 1e999"),
        ('{"model": "ease", "a": ' + "9" * 5000 + "}", "is no sound JSON: Exceeds the limit"),
        ("[" * 100_000, "is nested too deep"),
        ('{"model": "ease", "notes": ' + "[" * 100_000 + "]" * 100_000 + "}", "nested too deep"),
    ],
)
def test_a_record_that_is_no_sound_json_is_refused(text, message, copied_run):
    folder = copied_run("ease")
    write(folder, text)
    assert message in refusal(folder)
    assert is_measured(folder)  # broken, and not ours to write over


def test_a_record_of_another_catalog_is_refused(copied_run):
    folder = copied_run("ease")
    write(folder, said(folder) | {"options": {"text_columns": ["maker"]}})
    assert "its run.json is of another catalog: `text_columns` must name columns" in refusal(folder)


def test_a_record_that_is_not_utf8_is_refused(copied_run):
    folder = copied_run("ease")
    (folder / "run.json").write_bytes(b'{"model": "\xff"}')
    assert "is no sound JSON: 'utf-8' codec can't decode" in refusal(folder)


@pytest.mark.parametrize(
    "name", ["../../x", "..", "", "a/b", "/etc", "a\\b", "C:x", "a\0b", "a\nb", "x" * 300]
)
def test_a_member_stays_in_the_folder(name, copied_run):
    folder = copied_run("ensemble")
    shutil.copytree(folder / "members" / "ease", folder.parent.parent / "x", dirs_exist_ok=True)
    info = said(folder)
    info["members"] = {name: {"model": "ease"}, "gmf": info["members"]["gmf"]}
    info["weights"] = {name: 0.75, "gmf": 0.25}
    write(folder, info)
    assert "must be the name of a folder, without a path. Received: " in refusal(folder)


@pytest.mark.parametrize(
    "name", ["run.json", "users.json", "events.npz", "members/gmf/model.keras"]
)
def test_a_link_out_of_the_folder_is_refused(name, copied_run, saved_runs):
    folder = copied_run("ensemble")
    (folder / name).unlink()
    (folder / name).symlink_to(saved_runs / "ensemble" / name)
    assert "leads out of the run folder, to" in refusal(folder)
    (folder.parent / "link").symlink_to(saved_runs / "ensemble")  # the folder itself may be one
    assert len(load_run(folder.parent / "link").recommender.recommend("1", k=2)) == 2


FILES = [
    *("run.json", "users.json", "items.json", "catalogue.csv", "events.npz", "interests.npz"),
    "model.npz",
]


@pytest.mark.parametrize("name", FILES)
def test_what_is_no_file_is_refused_and_never_waited_for(name, copied_run):
    folder = copied_run("ease")
    (folder / name).unlink()
    os.mkfifo(folder / name)
    assert f"{name} must be a file. Received: a named pipe (FIFO)." in refusal(folder)
    if name == "run.json":
        assert is_measured(folder)
    (folder / name).unlink()
    (folder / name).mkdir()
    assert f"{name} must be a file. Received: a folder." in refusal(folder)
    (folder / name).rmdir()
    (folder / name).symlink_to(name)
    if name != "interests.npz":  # which this model can do without
        assert f"{name} is missing" in refusal(folder)


VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from(["", "../../x", "ease", "gmf", "ensemble", "ranks", "a\0b", "\ud800", "1"]),
    st.just([]),
    st.just({}),
    st.lists(st.integers(-1, 1), max_size=3),
    st.dictionaries(st.sampled_from(["model", "run", "ease", "x"]), st.integers(-1, 1), max_size=2),
)


def places(value, path=()):
    """The path of everything in a JSON value."""
    yield path
    entries = list(enumerate(value)) if isinstance(value, list) else []
    for key, one in value.items() if isinstance(value, dict) else entries:
        yield from places(one, (*path, key))


def changed(value, path, new):
    """A JSON value with something else in one place, or without it where `new` is missing."""
    if not path:
        return new
    copied = value.copy()
    if len(path) == 1 and new is ...:
        del copied[path[0]]
    else:
        copied[path[0]] = changed(value[path[0]], path[1:], new)
    return copied


@pytest.mark.parametrize(("name", "examples"), [("ease", 100), ("gmf", 25), ("ensemble", 30)])
def test_a_record_changed_anywhere_answers_or_is_refused(name, examples, saved_runs, tmp_path):
    folder = shutil.copytree(saved_runs / name, tmp_path / name)
    info = said(folder)
    anywhere = st.sampled_from([one for one in places(info) if one])

    @settings(max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck))
    @given(anywhere, st.one_of(st.just(...), VALUES))
    def check(path, new):
        write(folder, changed(info, path, new))
        try:
            run = load_run(folder)
            answer = run.recommender.recommend("1", k=2)
        except UserError as error:
            assert str(folder) in str(error)
            return
        assert len(answer) == 2
        # What other commands take of it: report, seeds, publishing.
        assert [ReportRow(**row).model for row in run.info["rows"]] == [
            row["model"] for row in run.info["rows"]
        ]
        assert notes(run.info)[-1] == [*run.info["notes"], notes(run.info)[-1]][-1]
        members = dict(run.info["weights"]) if name == "ensemble" else {}
        assert training_command(name, run.info, members, run.model).startswith("tfrec-zoo ")
        assert len(_limits(run)) >= 2

    check()


@st.composite
def damaged(draw, content):
    """Bytes with a piece of them gone, changed or put in."""
    start = draw(st.integers(0, len(content)))
    gone = draw(st.sampled_from([0, 1, 2, 64, len(content)]))
    return content[:start] + draw(st.binary(max_size=8)) + content[start + gone :]


@pytest.mark.parametrize(
    ("name", "file"),
    [*(("ease", file) for file in FILES if file != "run.json"), ("gmf", "model.keras")],
)
def test_a_damaged_file_answers_or_is_refused(name, file, saved_runs, tmp_path):
    folder = shutil.copytree(saved_runs / name, tmp_path / name)
    content = (folder / file).read_bytes()

    @settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
    @given(damaged(content))
    def check(new):
        (folder / file).write_bytes(new)
        try:
            answer = load_run(folder).recommender.recommend("1", k=2)
        except UserError as error:
            assert str(folder) in str(error)
        else:
            assert len(answer) <= 2

    check()


def test_a_catalog_without_titles_is_refused(copied_run):
    folder = copied_run("ease")
    rows = "".join(f"{one},x\n" for one in DATA.items.ids[1:])
    (folder / "catalogue.csv").write_text("item_id,text\n" + rows)
    assert "catalogue.csv cannot be read: It has no column `title`" in refusal(folder)
    folder = shutil.copytree(copied_run("gmf"), folder.parent / "twice")
    (folder / "item_columns.csv").write_text("item_id,text\n" + rows)
    assert "item_columns.csv cannot be read: It must not have a column `text`" in refusal(folder)
