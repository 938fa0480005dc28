"""Vectors kept on disk: encoded once, whole after any interruption, in the order asked for."""

import inspect
import logging
import signal
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from checkout import ROOT
from counted_encoder import Encoder, files, vector_of, vectors_of
from hypothesis import given, settings
from hypothesis import strategies as st
from waiting import wait_for

from tfrec_fusion.files.whole import whole_file
from tfrec_fusion.text.encoding import segments, store
from tfrec_fusion.text.encoding.store import TextStore

TEXTS = [f"film {n} " + "x" * (n % 7) for n in range(25)]


@pytest.fixture
def kept(tmp_path):
    """A store of 25 texts in segments of four, its encoder's calls not counted."""
    vectors = TextStore(tmp_path, texts_per_segment=4)
    vectors.encode(Encoder(), TEXTS)
    return tmp_path


def test_many_texts_are_told_in_lines_where_there_is_no_terminal(tmp_path, capsys):
    TextStore(tmp_path, texts_per_segment=10).encode(Encoder(), TEXTS)
    told = [f"Encoding: {done} of 25 texts" for done in (10, 20, 25)]
    assert capsys.readouterr().err.splitlines() == told
    TextStore(tmp_path, texts_per_segment=10).encode(Encoder(), [*TEXTS, "one more"])
    assert capsys.readouterr().err == ""


def test_order_is_kept_and_duplicates_are_encoded_once(tmp_path):
    encoder = Encoder()
    texts = ["b", "a", "", "b", "ccc", "a"]
    got = TextStore(tmp_path).encode(encoder, texts)
    np.testing.assert_array_equal(got, vectors_of(texts))
    assert got.dtype == np.float32
    assert encoder.encoded == ["ccc", "b", "a", ""]


def test_a_second_run_encodes_nothing(kept):
    encoder = Encoder()
    np.testing.assert_array_equal(
        TextStore(kept).encode(encoder, TEXTS[::-1]), vectors_of(TEXTS[::-1])
    )
    assert encoder.calls == []


def test_a_changed_text_is_encoded_alone(kept):
    encoder = Encoder()
    changed = [*TEXTS[:7], "another title", *TEXTS[8:]]
    np.testing.assert_array_equal(TextStore(kept).encode(encoder, changed), vectors_of(changed))
    assert encoder.encoded == ["another title"]


def test_vectors_of_two_encoders_are_never_mixed(kept):
    other = Encoder(dim=5, fingerprint="v2")
    got = TextStore(kept).encode(other, TEXTS)
    assert sorted(other.encoded) == sorted(TEXTS)
    np.testing.assert_array_equal(got, vectors_of(TEXTS, 5))
    np.testing.assert_array_equal(TextStore(kept).encode(Encoder(), TEXTS), vectors_of(TEXTS))


def test_another_length_under_the_same_fingerprint_is_refused(kept):
    with pytest.raises(ValueError, match=r"another length than this encoder's, 4, under the same"):
        TextStore(kept).encode(Encoder(dim=4), TEXTS)
    assert TextStore(kept).encode(Encoder(spoil=pytest.fail), TEXTS).shape == (25, 3)


def test_texts_of_similar_length_are_encoded_together(tmp_path):
    encoder = Encoder()
    texts = ["x" * n for n in (3, 90, 1, 88, 2, 89)]
    TextStore(tmp_path, texts_per_segment=3).encode(encoder, texts)
    assert [[len(text) for text in call] for call in encoder.calls] == [[90, 89, 88], [3, 2, 1]]


def test_many_segments_become_one_that_is_mapped_in_the_catalogs_order(tmp_path):
    texts = [f"{n:05d}" for n in range(100)]
    got = TextStore(tmp_path, texts_per_segment=5).encode(Encoder(), texts)
    assert isinstance(got, np.memmap)
    np.testing.assert_array_equal(got, vectors_of(texts))
    assert len(files(tmp_path)) == 1
    again = TextStore(tmp_path).encode(Encoder(spoil=pytest.fail), texts[10:60])
    assert isinstance(again, np.memmap)
    np.testing.assert_array_equal(again, vectors_of(texts[10:60]))


def test_merging_keeps_the_vectors_that_were_not_asked_for(kept):
    store.TextStore(kept, texts_per_segment=1).encode(Encoder(), ["a", "b", "c", "d", "e"])
    assert len(files(kept)) == 1
    assert TextStore(kept).encode(Encoder(spoil=pytest.fail), TEXTS).shape == (25, 3)


def test_what_is_given_cannot_be_changed_by_mistake(kept):
    for texts in (TEXTS, ["film 1 x"]):
        with pytest.raises(ValueError, match="read-only"):
            TextStore(kept).encode(Encoder(), texts)[0, 0] = 1.0


@settings(max_examples=40)
@given(st.lists(st.lists(st.text(max_size=3), min_size=1, max_size=12), min_size=1, max_size=3))
def test_any_texts_in_any_order(tmp_path_factory, catalogs):
    folder = tmp_path_factory.mktemp("store")
    seen = set()
    for texts in catalogs:
        encoder = Encoder()
        got = TextStore(folder, texts_per_segment=1).encode(encoder, texts)
        np.testing.assert_array_equal(got, vectors_of(texts))
        assert sorted(encoder.encoded) == sorted(set(texts) - seen)
        seen |= set(texts)


# === Interruption and damage ===


DAMAGES = {
    "cut short": lambda content: content[:-7],
    "empty": lambda content: b"",
    "one bit": lambda content: content[:200] + bytes([content[200] ^ 1]) + content[201:],
    "another file": lambda content: b"\x93NUMPY\x01\x00" + b"(" * 500,
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_segment_is_removed_and_its_texts_encoded_again(kept, caplog, damage):
    victim = files(kept)[2]
    lost = segments.read_segments(victim.parent, 3)[2].keys
    victim.write_bytes(damage(victim.read_bytes()))
    encoder = Encoder()
    with caplog.at_level(logging.WARNING):
        got = TextStore(kept).encode(encoder, TEXTS)
    np.testing.assert_array_equal(got, vectors_of(TEXTS))
    assert {store._key("v1", text) for text in encoder.encoded} == set(lost)
    assert f"{victim} was damaged and is removed" in caplog.text
    assert not victim.exists()


def test_what_was_finished_stays_when_the_encoder_fails(tmp_path):
    def fail_on_short(vectors, texts):
        if "x" in texts:
            raise MemoryError("no more")
        return vectors

    texts = ["xxxx", "xxx", "xx", "x"]
    with pytest.raises(MemoryError, match="no more"):
        TextStore(tmp_path, texts_per_segment=2).encode(Encoder(spoil=fail_on_short), texts)
    encoder = Encoder()
    TextStore(tmp_path).encode(encoder, texts)
    assert encoder.encoded == ["xx", "x"]


def test_a_file_begun_by_a_killed_process_is_cleared_away(kept):
    folder, before = files(kept)[0].parent, files(kept)
    with whole_file(folder / "new.npy") as file:  # of a living process
        (new,) = files(kept, ".*.part")
        old = folder / ".old.npy.0123456789abcdef.part"
        old.write_bytes(b"half")
        encoder = Encoder()
        np.testing.assert_array_equal(TextStore(kept).encode(encoder, TEXTS), vectors_of(TEXTS))
        assert not old.exists() and new.exists() and encoder.calls == []
        file.write(before[0].read_bytes())
    assert files(kept) == sorted([*before, folder / "new.npy"])


SLOW_ENCODER = """
import hashlib, time
import numpy as np
from tfrec_fusion.text.encoding.store import TextStore

{encoder}

def slowly(vectors, texts):
    time.sleep({pause})
    return vectors

texts = [f"text {{n}}" for n in range({first}, {last})]
TextStore({folder!r}, texts_per_segment=2).encode(Encoder(spoil=slowly), texts)
"""


def encoding_process(folder, first=0, last=400, pause=0.01):
    encoder = "\n".join(inspect.getsource(one) for one in (vector_of, vectors_of, Encoder))
    code = SLOW_ENCODER.format(
        encoder=encoder, folder=str(folder), first=first, last=last, pause=pause
    )
    return subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stderr=subprocess.PIPE)


@pytest.mark.parametrize("num_segments", [1, 6])
def test_kill_in_the_middle_of_encoding(tmp_path, num_segments):
    process = encoding_process(tmp_path)
    wait_for(lambda: len(files(tmp_path)) >= num_segments, f"{num_segments} segments", seconds=60)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    finished = 2 * len(files(tmp_path))
    assert 2 * num_segments <= finished < 400

    texts = [f"text {n}" for n in range(400)]
    encoder = Encoder()
    got = TextStore(tmp_path).encode(encoder, texts)
    np.testing.assert_array_equal(got, vectors_of(texts))
    assert len(encoder.encoded) == 400 - finished


def test_kill_in_the_middle_of_merging_loses_nothing(kept, monkeypatch):
    """The merged file is there, some of the old ones too: as if killed between the removals."""
    folder = files(kept)[0].parent
    monkeypatch.setattr(segments, "_remove", lambda path: None)
    segments.merge(folder, segments.read_segments(folder, 3), first=[])
    monkeypatch.undo()
    for path in files(kept)[:3]:
        path.unlink()
        got = TextStore(kept).encode(Encoder(), TEXTS)
        np.testing.assert_array_equal(got, vectors_of(TEXTS))


def test_several_processes_encode_and_merge_at_once(tmp_path):
    spans = [(0, 60), (30, 90), (0, 90)]
    processes = [encoding_process(tmp_path, *span, pause=0.002) for span in spans]
    errors = [process.communicate(timeout=120)[1].decode() for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0], errors
    texts = [f"text {n}" for n in range(90)]
    encoder = Encoder()
    np.testing.assert_array_equal(TextStore(tmp_path).encode(encoder, texts), vectors_of(texts))
    assert encoder.encoded == []
    assert files(tmp_path, ".*") == []


# === What is refused ===


REFUSED = {
    "None": (["a", None], r"position 1: None \(NoneType\). Write a missing text as an empty"),
    "NaN": (pd.Series(["a", "b", None], dtype="str"), r"position 2: nan \(float\)"),
    "number": (["a", 7], r"position 1: 7 \(int\)"),
    "bytes": ([b"a"], r"position 0: b'a' \(bytes\)"),
    "surrogate": (["ok", "a\ud800b"], r"position 1 cannot be written as UTF-8: character 1 is"),
    "empty list": ([], r"empty catalog"),
    "one string": ("a", r"list or column of strings, one for each item. Received: a str"),
    "table": (pd.DataFrame({"text": ["a"]}), r"Received: a DataFrame"),
    "set": ({"a"}, r"Received: a set"),
    "nothing": (None, r"Received: a NoneType"),
}


@pytest.mark.parametrize(("texts", "message"), REFUSED.values(), ids=REFUSED)
def test_what_is_not_text_is_refused_at_the_door(tmp_path, texts, message):
    encoder = Encoder()
    with pytest.raises(ValueError, match=message):
        TextStore(tmp_path).encode(encoder, texts)
    assert encoder.calls == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("texts", [("a", "b"), np.array(["a", "b"]), pd.Series(["a", "b"], [7, 5])])
def test_columns_of_any_kind(tmp_path, texts):
    got = TextStore(tmp_path).encode(Encoder(), texts)
    np.testing.assert_array_equal(got, vectors_of(["a", "b"]))


def test_a_megabyte_of_text(tmp_path):
    texts = ["long " * 200_000, "short"]
    encoder = Encoder()
    got = TextStore(tmp_path).encode(encoder, texts)
    np.testing.assert_array_equal(got, vectors_of(texts))
    assert sum(path.stat().st_size for path in files(tmp_path)) < 1000


def spoilt_first(value):
    def spoil(vectors, texts):
        vectors[texts.index("bad")] = value
        return vectors

    return spoil


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_vectors_that_are_no_numbers_are_not_stored(tmp_path, value):
    with pytest.raises(ValueError, match=r"NaN or infinity for 1 of 2 texts, first for 'bad'"):
        TextStore(tmp_path).encode(Encoder(spoil=spoilt_first(value)), ["good", "bad"])
    assert files(tmp_path) == []


def test_vectors_of_another_shape_are_not_stored(tmp_path):
    with pytest.raises(ValueError, match=r"of shape \(2, 3\). Received: \(1, 3\)"):
        TextStore(tmp_path).encode(Encoder(spoil=lambda vectors, _: vectors[:1]), ["a", "b"])
    assert files(tmp_path) == []


def test_segments_of_no_texts_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"`texts_per_segment` must be at least 1. Received: 0"):
        TextStore(tmp_path, texts_per_segment=0)


def test_the_default_place_is_the_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("TFREC_FUSION_CACHE", str(tmp_path))
    assert TextStore().folder == tmp_path / "text"


def test_no_progress_bar_where_there_is_no_terminal(tmp_path, capfd):
    TextStore(tmp_path).encode(Encoder(), TEXTS)
    assert capfd.readouterr() == ("", "")
