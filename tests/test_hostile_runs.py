"""Run folders of strangers: each file is sound, or there is one error that names it."""

from __future__ import annotations

import json
import os
import shutil
import zipfile

import h5py
import keras
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from memory import MIB, peak_mib
from older_run import without_checksums
from test_run import DATA, INTERESTS

import zoo
from tfrec_fusion.errors import UserError
from tfrec_fusion.evaluation.report import ReportRow
from tfrec_fusion.files.archives import read_arrays
from zoo.baselines import BASELINES
from zoo.comparison import notes
from zoo.publishing import _command, _limits
from zoo.run import BrokenRun, is_measured, load_run, save_ensemble, save_run

NUMBERS = {"ndcg@10": 0.25, "hr@10": 0.5}
INTERVALS = {"ndcg@10": [0.2, 0.3]}
ROW = {"model": "popularity (classic)", "metrics": NUMBERS, "intervals": INTERVALS}
COMMON = {
    "command": "python -m zoo train ease --data films --out runs/a",
    "data": {"name": "films", "checksum": "0", "split": "by time", "licence": "", "citation": ""},
    "versions": {"python": "3.12", "keras": "3.15.1"},
    "training": {"seconds": 1.5, "validation": {"ndcg@10": 0.2}},
    "test": NUMBERS,
    "test_intervals": INTERVALS,
    "test_events": 3,
    "test_events_seen": 0,
    "rows": [ROW],
    "notes": ["a note"],
}
OPTIONS = {"seed": 0, "split": "temporal", "allow_seen": False, "text_columns": []}
TRAINING = {"seconds": 0.0, "validation": {}}
SIZES = {"num_users": len(DATA.users), "num_items": len(DATA.items)}


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A baseline's run, a network's and an ensemble's."""
    folder = tmp_path_factory.mktemp("runs")
    baseline = {"model": "ease", "hyperparameters": {"l2": 50.0}, "options": OPTIONS, **COMMON}
    ease = zoo.build("ease", l2=50.0).fit(DATA.train)
    save_run(folder / "ease", ease, DATA, baseline, INTERESTS)
    training = {"best_epoch": 2, "history": {"loss": [1.0, None]}, **COMMON["training"]}
    network = {"model": "gmf", "hyperparameters": {"gmf_dim": 2}, "options": OPTIONS, **COMMON}
    gmf = zoo.build("gmf", gmf_dim=2, **SIZES)
    save_run(folder / "gmf", gmf, DATA, {**network, "training": training})
    members = {name: load_run(folder / name) for name in ("ease", "gmf")}
    both = {
        "model": "ensemble",
        "members": {name: {"model": name, "run": f"runs/{name}"} for name in members},
        "weights": {"ease": 0.75, "gmf": 0.25},
        "scale": "ranks",
        "options": {"seed": 0, "allow_seen": False},
        **COMMON,
    }
    save_ensemble(folder / "ensemble", members, both)
    for name in (*members, "ensemble"):  # whoever forges a file forges its checksum, too
        without_checksums(folder / name)
    return folder


@pytest.fixture
def copy(runs, tmp_path):
    return lambda name: shutil.copytree(runs / name, tmp_path / name)


def said(folder):
    return json.loads((folder / "run.json").read_text("utf-8"))


def write(folder, info):
    (folder / "run.json").write_text(info if isinstance(info, str) else json.dumps(info), "utf-8")


def refusal(folder):
    with pytest.raises(BrokenRun) as caught:
        load_run(folder)
    message = str(caught.value)
    assert "\n" not in message
    return message


@pytest.mark.parametrize("name", ["ease", "gmf", "ensemble"])
def test_what_was_saved_is_read(name, runs):
    run = load_run(runs / name)
    assert run.info.items() >= {**said(runs / name), "options": run.info["options"]}.items()
    assert run.info["options"].items() >= said(runs / name)["options"].items()
    assert len(run.recommender.recommend("1", k=2)) == 2


def test_a_run_that_says_little_has_the_defaults(copy):
    folder = copy("ease")
    write(folder, {"model": "ease"})
    info = load_run(folder).info
    assert info["options"]["seed"] == 0 and info["options"]["text_preset"] == "minilm"
    assert (info["data"]["name"], info["training"], info["rows"]) == ("", TRAINING, [])


CHANGES = [
    ("ease", lambda one: [], r"Its content must be an object\. Received: \[\]\."),
    ("ease", lambda one: {}, r"`model` is missing"),
    ("ease", lambda one: one | {"model": ["ease"]}, r"`model` must be one of popularity, .*\['ea"),
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
def test_a_field_that_is_not_what_it_must_be_is_named(name, change, message, copy):
    folder = copy(name)
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
def test_a_record_that_is_no_sound_json_is_refused(text, message, copy):
    folder = copy("ease")
    write(folder, text)
    assert message in refusal(folder)
    assert is_measured(folder)  # broken, and not ours to write over


def test_a_record_of_another_catalog_is_refused(copy):
    folder = copy("ease")
    write(folder, said(folder) | {"options": {"text_columns": ["maker"]}})
    assert "its run.json is of another catalog: `text_columns` must name columns" in refusal(folder)


def test_a_record_that_is_not_utf8_is_refused(copy):
    folder = copy("ease")
    (folder / "run.json").write_bytes(b'{"model": "\xff"}')
    assert "is no sound JSON: 'utf-8' codec can't decode" in refusal(folder)


@pytest.mark.parametrize(
    "name", ["../../x", "..", "", "a/b", "/etc", "a\\b", "C:x", "a\0b", "a\nb", "x" * 300]
)
def test_a_member_stays_in_the_folder(name, copy):
    folder = copy("ensemble")
    shutil.copytree(folder / "members" / "ease", folder.parent.parent / "x", dirs_exist_ok=True)
    info = said(folder)
    info["members"] = {name: {"model": "ease"}, "gmf": info["members"]["gmf"]}
    info["weights"] = {name: 0.75, "gmf": 0.25}
    write(folder, info)
    assert "must be the name of a folder, without a path. Received: " in refusal(folder)


@pytest.mark.parametrize(
    "name", ["run.json", "users.json", "events.npz", "members/gmf/model.keras"]
)
def test_a_link_out_of_the_folder_is_refused(name, copy, runs):
    folder = copy("ensemble")
    (folder / name).unlink()
    (folder / name).symlink_to(runs / "ensemble" / name)
    assert "leads out of the run folder, to" in refusal(folder)
    (folder.parent / "link").symlink_to(runs / "ensemble")  # the folder itself may be one
    assert len(load_run(folder.parent / "link").recommender.recommend("1", k=2)) == 2


FILES = [
    *("run.json", "users.json", "items.json", "catalogue.csv", "events.npz", "interests.npz"),
    "model.npz",
]


@pytest.mark.parametrize("name", FILES)
def test_what_is_no_file_is_refused_and_never_waited_for(name, copy):
    folder = copy("ease")
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
def test_a_record_changed_anywhere_answers_or_is_refused(name, examples, runs, tmp_path):
    folder = shutil.copytree(runs / name, tmp_path / name)
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
        assert _command(name, run, members).startswith("python -m zoo ")
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
def test_a_damaged_file_answers_or_is_refused(name, file, runs, tmp_path):
    folder = shutil.copytree(runs / name, tmp_path / name)
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


def test_a_catalog_without_titles_is_refused(copy):
    folder = copy("ease")
    rows = "".join(f"{one},x\n" for one in DATA.items.ids[1:])
    (folder / "catalogue.csv").write_text("item_id,text\n" + rows)
    assert "catalogue.csv cannot be read: It has no column `title`" in refusal(folder)
    folder = shutil.copytree(copy("gmf"), folder.parent / "twice")
    (folder / "item_columns.csv").write_text("item_id,text\n" + rows)
    assert "item_columns.csv cannot be read: It must not have a column `text`" in refusal(folder)


# Arrays and models.


def arrays_of(path):
    with np.load(path, allow_pickle=False) as arrays:
        return dict(arrays)


def ease(**arrays):
    return lambda found: found | {name: np.asarray(one) for name, one in arrays.items()}


@pytest.mark.parametrize(
    ("file", "change", "message"),
    [
        ("events.npz", lambda one: {"train.user": one["train.user"]}, "train.item is missing"),
        ("events.npz", ease(**{"train.item": [99] * 24}), "train must have columns of one length"),
        ("events.npz", lambda one: one | {"train.item": one["train.item"] * 0 + 99}, "from 99 to"),
        ("events.npz", lambda one: one | {"train.user": one["train.user"] * 0 - 1}, "from -1 to"),
        ("events.npz", lambda one: one | {"train.user": one["train.user"][::-1]}, "sorted by user"),
        ("events.npz", lambda one: one | {"test.rating": one["test.rating"] * np.nan}, "be finite"),
        ("events.npz", ease(**{"test.item": [["a"]]}), "test.item must be one column of whole num"),
        ("events.npz", ease(**{"test.rating": [1.0]}), "test must have columns of one length"),
        ("model.npz", ease(weights=[1.0]), "weights must be a matrix of numbers"),
        ("model.npz", ease(weights=np.zeros((3, 3))), "known and weights must fit together"),
        ("model.npz", ease(**{"known.indices": np.full(24, 10**6)}), "known is no sound sparse"),
        ("model.npz", ease(**{"known.indptr": [0, 1]}), "known is no sound sparse matrix"),
        ("model.npz", ease(**{"known.shape": [5]}), "known is no sound sparse matrix"),
        ("model.npz", ease(**{"hyperparameter.l2": "high"}), "`l2` must be a number"),
        ("model.npz", ease(**{"hyperparameter.l2": [1.0, 2.0]}), "an array of size 1"),
        ("interests.npz", ease(phrase=[7]), "arrays do not fit together"),
        ("interests.npz", ease(start=[0, 1], phrase=np.zeros(1, "i4")), "It must be of 4 users"),
        ("interests.npz", ease(phrases=[1]), "arrays do not fit together"),
    ],
)  # fmt: skip
def test_arrays_that_do_not_fit_are_named(file, change, message, copy):
    folder = copy("ease")
    np.savez(folder / file, allow_pickle=False, **change(arrays_of(folder / file)))
    with pytest.raises(BrokenRun, match=rf"{file} cannot be read: .*({message})"):
        load_run(folder)


def test_a_model_of_other_items_is_refused(copy):
    folder = copy("ease")
    ids = [str(one) for one in range(1, 6)]
    (folder / "items.json").write_text(json.dumps(ids))
    (folder / "catalogue.csv").write_text("item_id,title,text\n" + "".join(f"{i},,\n" for i in ids))
    assert "its model is of 4 users and 13 items, its vocabularies of 4 users and 5 items" in (
        refusal(folder)
    )


def npy(shape, dtype="'<f8'", content=b""):
    header = f"{{'descr': {dtype}, 'fortran_order': False, 'shape': {shape}, }}".encode()
    header += b" " * (53 - len(header)) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + content


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"a.npy": npy("(1099511627776,)")}, "does not go with 0 bytes"),
        ({"a.npy": npy("(-1,)", content=bytes(8))}, "its shape .-1,. of float64 does not go"),
        ({"a.npy": npy("(1,)", "'|O'", bytes(8))}, "its type must be plain"),
        ({"a.npy": npy("(9223372036854775807,)", "'<U0'")}, "its type must be plain"),
        ({"a.npy": npy("(" * 3000)}, "is no sound array"),
        ({"a.npy": b"no array"}, "does not begin like one"),
        ({"a.pkl": b""}, "must hold arrays alone"),
        ({"../a.npy": npy("()", content=bytes(8))}, "inside of a folder"),
        ({"/a.npy": npy("()", content=bytes(8))}, "inside of a folder"),
        ({f"{one}.npy": b"" for one in range(10_001)}, "at most 10,000 members"),
    ],
)
def test_an_archive_that_is_no_sound_one_is_refused(members, message, tmp_path):
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    with pytest.raises(UserError, match=message):
        read_arrays(tmp_path / "a.npz")


@pytest.fixture(scope="module")
def bomb(tmp_path_factory):
    """A zip of about 1 MB in which 1 GiB of zeros is a column of events."""
    path = tmp_path_factory.mktemp("bomb") / "events.npz"
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive,
        archive.open("train.user.npy", "w", force_zip64=True) as member,
    ):
        member.write(npy(f"({2**30},)", "'|i1'"))
        for _ in range(1024):
            member.write(bytes(MIB))
    assert path.stat().st_size < 1.1 * MIB
    return path


@pytest.mark.parametrize("name", ["events.npz", "model.npz", "interests.npz"])
def test_an_archive_that_becomes_a_thousand_times_larger_is_not_unpacked(name, copy, bomb):
    folder = copy("ease")
    shutil.copy(bomb, folder / name)
    assert peak_mib(lambda: refusal(folder)) < 50
    assert "must not become more than 100 times as large as it is" in refusal(folder)


def test_a_member_is_read_no_further_than_it_says(tmp_path):
    path = tmp_path / "a.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.npy", npy("(16,)", content=bytes(128 * MIB)))
    size = len(npy("(16,)")) + 128 * MIB
    content, true = path.read_bytes(), size.to_bytes(4, "little")
    assert content.count(true) == 2  # before the member, and in the table of contents
    path.write_bytes(content.replace(true, (size - 128 * MIB + 128).to_bytes(4, "little")))

    def read():
        with pytest.raises(UserError, match=r"a\.npy is no sound array"):
            read_arrays(path)

    assert peak_mib(read) < 16


def weights(change):
    """Changes the weights inside of a `.keras` file."""

    def rewrite(path):
        with zipfile.ZipFile(path) as archive:
            members = {name: archive.read(name) for name in archive.namelist()}
        inside = path.with_suffix(".h5")
        inside.write_bytes(members["model.weights.h5"])
        with h5py.File(inside, "a") as file:
            change(file)
        members["model.weights.h5"] = inside.read_bytes()
        inside.unlink()
        with zipfile.ZipFile(path, "w") as archive:
            for name, content in members.items():
                archive.writestr(name, content)

    return rewrite


def compressed(path):
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)


def virtual(file):
    layout = h5py.VirtualLayout(shape=(4,), dtype="f4")
    layout[:] = h5py.VirtualSource("/etc/passwd", "a", shape=(4,))
    file.create_virtual_dataset("added", layout)


@pytest.mark.parametrize(
    ("hurt", "message"),
    [
        (compressed, "must hold its members as Keras writes them, uncompressed"),
        (
            weights(lambda file: file.create_dataset("a", (2**28,), "f4", chunks=(2**20,))),
            "must not become more than 100 times as large",
        ),
        (
            weights(lambda file: file.create_dataset("a", (9,), "i1", external=[("/x", 0, 9)])),
            "must hold its numbers itself",
        ),
        (weights(virtual), "must hold its numbers itself"),
        (weights(lambda file: file.__setitem__("a", h5py.ExternalLink("/x", "/"))), "lead else"),
        (weights(lambda file: file.__setitem__("a", h5py.SoftLink("/"))), "lead elsewhere"),
        (lambda path: path.write_bytes(b"no zip"), "is no sound zip file"),
        (lambda path: path.write_bytes(path.read_bytes()[:-3000]), "is no sound zip file"),
    ],
)  # fmt: skip
def test_a_model_file_that_leads_elsewhere_or_grows_is_refused(hurt, message, copy):
    folder = copy("gmf")
    hurt(folder / "model.keras")
    assert peak_mib(lambda: refusal(folder)) < 50
    assert message in refusal(folder)


def test_groups_that_hold_each_other_are_no_endless_walk(copy):
    folder = copy("gmf")
    weights(lambda file: file.__setitem__("again", file["/"]))(folder / "model.keras")
    assert len(load_run(folder).recommender.recommend("1", k=2)) == 2


def layer(module, class_name, config, registered=None):
    return {
        "module": module,
        "class_name": class_name,
        "config": config,
        "registered_name": registered,
    }


CODE = [
    layer("os", "system", {"command": "touch {sign}"}),
    layer("subprocess", "Popen", {"args": ["touch", "{sign}"]}),
    layer("builtins", "eval", {"expression": "open('{sign}', 'w')"}),
    layer("builtins", "function", "os.system"),
    layer("keras.utils", "get_file", {"fname": "{sign}", "origin": "file:///etc/passwd"}),
    layer("keras.layers", "Lambda", {"function": "os.system", "arguments": {"a": "touch {sign}"}}),
    layer(
        "keras.layers",
        "Lambda",
        {"function": {"class_name": "__lambda__", "config": {"code": "4wEAAAA=", "closure": None}}},
    ),
    layer("keras.layers", "TorchModuleWrapper", {"module": "gASVKAAAAAAAAACMBXBvc2l4lA=="}),
    layer("zoo.run", "save_info", {"folder": "{sign}", "info": {}}),
    layer("tests.strangers", "Layer", {}, "strangers>Layer"),
    layer("keras.src.saving.saving_lib", "save_model", {"model": 1, "filepath": "{sign}"}),
    layer("numpy", "save", {"file": "{sign}", "arr": [1]}),
]  # fmt: skip


@pytest.mark.parametrize("code", CODE, ids=lambda one: f"{one['module']}.{one['class_name']}")
@pytest.mark.parametrize("nested", [False, True])
def test_a_model_file_runs_no_code(code, nested, copy, tmp_path):
    folder, sign = copy("gmf"), tmp_path / "sign"
    path = folder / "model.keras"
    code = json.loads(json.dumps(code).replace("{sign}", str(sign)))
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    if nested:
        code = layer("keras", "Sequential", {"name": "gmf", "layers": [code]})
    members["config.json"] = json.dumps(code).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    with pytest.raises(BrokenRun, match=r"model\.keras cannot be read"):
        load_run(folder)
    assert not sign.exists()


def test_a_model_of_keras_that_is_none_of_the_zoo_is_refused(copy):
    folder = copy("gmf")
    inputs = keras.Input((2,))
    keras.Model(inputs, keras.layers.Dense(1)(inputs), name="gmf").save(folder / "model.keras")
    assert "must hold the model gmf. Received: 'gmf'" in refusal(folder)


@pytest.mark.parametrize("name", list(BASELINES))
def test_every_baseline_comes_back(name, tmp_path):
    model = zoo.build(name).fit(DATA.train, [str(one) for one in DATA.item_texts()])
    save_run(tmp_path, model, DATA, {"model": name})
    loaded = load_run(tmp_path).model
    assert (loaded.num_users, loaded.num_items) == (SIZES["num_users"], SIZES["num_items"])
    users = np.arange(1, SIZES["num_users"])
    np.testing.assert_allclose(loaded.score(users), model.score(users))
