"""Whatever a prebuilt model is read from is in its card with a checksum, and compared."""

from __future__ import annotations

import shutil

import pytest
from flipped import aside, flipped
from opened import opened_files

from tfrec_fusion.files.checksums import BrokenPackage, checksums
from tfrec_fusion.text.language_models import packaged_files
from tfrec_fusion.text.language_models.packaged_files import PACKAGED, packaged_folder
from tfrec_fusion.text.language_models.presets import load_language_model
from tfrec_fusion.zoo.prebuilt.card import cards
from tfrec_fusion.zoo.prebuilt.load import WEIGHTS, load

TINY = "tiny_gpt2"
PACKED = sorted(checksums(packaged_folder(TINY)))
QUICK = "gpt2_hybrid.ml_latest_small_tiny_gpt2"  # reads texts, by the package's language model


def files_of(card):
    """Paths that a card names, of those that are in the package."""
    language_models = {**card.language_models, card.reader["preset"]: card.reader["files"]}
    return {WEIGHTS / name for name in card.files} | {
        packaged_folder(TINY) / name for name in language_models.get(TINY, ())
    }


@pytest.mark.parametrize(
    "name",
    [
        QUICK,
        *(pytest.param(one, marks=pytest.mark.slow) for one in cards() if one != QUICK),
    ],
)
def test_nothing_is_read_that_the_card_does_not_name(name):
    with opened_files(WEIGHTS, PACKAGED) as found:
        model = load(name)
        user = model.users[0]
        item = model.recommend(user, k=1)["item_id"].iloc[0]
        model.recommend(text="robots in space", k=1)
        model.recommend(user, text="robots in space", k=1)
        if model.card.architecture != "neumf":  # which reads no history
            model.recommend(history=[item], k=1)
            reads = model.card.language_model
            model.explain(user, item, words=bool(reads) and reads[0] == TINY)
        model.similar(item, 1)
    expected = files_of(model.card)
    assert found - expected <= {PACKAGED / f"{TINY}.json"}
    assert packaged_folder(TINY) / "model.weights.h5" in found  # which C opens
    if model.run.interests is not None:
        assert WEIGHTS / model.card.folder / "interests.npz" in expected


@pytest.fixture(scope="module")
def copied(tmp_path_factory):
    """A copy of the package's files that a test may break."""
    folder = tmp_path_factory.mktemp("package")
    shutil.copytree(WEIGHTS, folder / "weights")
    shutil.copytree(PACKAGED, folder / "packaged")
    return folder


@pytest.fixture
def broken(copied, monkeypatch):
    monkeypatch.setattr("tfrec_fusion.zoo.prebuilt.load.WEIGHTS", copied / "weights")
    monkeypatch.setattr(packaged_files, "PACKAGED", copied / "packaged")
    return copied


@pytest.mark.parametrize("name", cards())
def test_a_changed_byte_and_a_missing_file_are_found_in_any_file_of_a_card(name, broken):
    card = cards()[name]
    named = [broken / "weights" / one for one in card.files]
    named += [broken / "packaged" / TINY / one for one in card.reader["files"]]
    for path in named:
        with flipped(path, path.stat().st_size // 2), pytest.raises(BrokenPackage) as caught:
            load(name)
        assert f"{path} was changed: its sha256 is " in str(caught.value)
        assert "Install tfrec-fusion again, or in a clone" in str(caught.value)
        with aside(path), pytest.raises(BrokenPackage) as caught:
            load(name)
        assert f"{path} is missing" in str(caught.value)


def test_any_file_of_the_packaged_language_model_is_compared_without_a_card_too(broken):
    for name in PACKED:
        path = broken / "packaged" / TINY / name
        for at in (0, path.stat().st_size - 1):
            with flipped(path, at), pytest.raises(BrokenPackage, match=f"{name} was changed"):
                load_language_model(TINY)
    for damage in (b"[", b"{}"):
        listed = broken / "packaged" / f"{TINY}.json"
        whole = listed.read_bytes()
        listed.write_bytes(damage)
        with pytest.raises(BrokenPackage, match=r"tiny_gpt2"):
            load_language_model(TINY)
        listed.write_bytes(whole)
    assert load_language_model(TINY).causal


def test_a_file_too_many_is_not_read(broken):
    extra = broken / "packaged" / TINY / "model.weights.json"
    extra.write_text("{}")
    with pytest.raises(BrokenPackage, match=r"does not belong to tiny_gpt2: model\.weights\.json"):
        load("ease.ml_latest_small")
    extra.unlink()
    columns = broken / "weights" / "ml_latest_small" / "item_columns.csv"
    columns.write_text("nothing of the kind")
    assert load("ease.ml_latest_small").run.item_columns is None
    columns.unlink()
