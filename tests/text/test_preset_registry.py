"""Language models that have a name: those of the package, and those that a program adds."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from tiny_bert import save_tiny_bert

from tfrec_fusion.text.encoding.encoder import TextEncoder
from tfrec_fusion.text.language_models import registry
from tfrec_fusion.text.language_models.packaged_files import is_packaged
from tfrec_fusion.text.language_models.presets import load_language_model
from tfrec_fusion.text.language_models.registry import (
    PresetUnavailable,
    TextPreset,
    get_preset,
    preset_names,
    register_preset,
)
from tfrec_fusion.text.language_models.revisions import check_preset, pinned, preset_files


@pytest.fixture
def no_added_presets(monkeypatch):
    monkeypatch.setattr(registry._registry, "_added", {})


def test_a_preset_of_ones_own_is_used_by_its_name(no_added_presets, tmp_path):
    folder = save_tiny_bert(tmp_path / "mine", ["a quiet film about a robot"])
    mine = TextPreset(
        "our-reviews", "A BERT of our reviews", lambda cache: folder, license="MIT", pooling="first"
    )
    assert register_preset(mine) is get_preset("our-reviews") is mine
    assert preset_names() == ["minilm", "our-reviews", "tiny_gpt2"]
    encoder = TextEncoder("our-reviews", max_length=8)
    model = encoder.language_model
    assert (model.name, model.license, encoder.pooling) == ("our-reviews", "MIT", "first")
    expected = TextEncoder(folder, pooling="first", max_length=8).encode(["a robot", ""])
    np.testing.assert_array_equal(encoder.encode(["a robot", ""]), expected)
    assert pinned("our-reviews") == "our-reviews"
    assert preset_files("our-reviews") == preset_files(folder) != {}
    with pytest.raises(
        ValueError, match=r"no language model 'our-review'\. Did you mean our-reviews"
    ):
        load_language_model("our-review")


def test_a_preset_whose_files_have_changed_says_what_to_do(no_added_presets, tmp_path):
    folder = Path(save_tiny_bert(tmp_path / "mine", ["a robot"]))
    mine = TextPreset("mine", "Mine", lambda cache: folder, remedy="Ask the museum.")
    register_preset(mine)
    files = preset_files("mine")
    check_preset("mine", files, "a run")
    (folder / "config.json").unlink()
    with pytest.raises(PresetUnavailable, match=r"another mine: .*config.json is missing. Ask the"):
        check_preset("mine", files, "a run")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": "hf://a/b"}, "`name` must be of letters, digits"),
        ({"name": "presets/mine"}, "so that it is no folder and no address. Received: 'presets/mi"),
        ({"summary": "Mine."}, "`summary` of minilm must be one line without a full stop"),
        ({"pooling": "max"}, "`pooling` of minilm must be 'mean', .* Received: 'max'"),
    ],
)
def test_a_description_that_cannot_be_used_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(get_preset("minilm"), **changes)


def test_the_name_of_a_preset_is_not_taken_twice(no_added_presets):
    with pytest.raises(ValueError, match="is a text preset 'minilm' already"):
        register_preset(dataclasses.replace(get_preset("minilm"), summary="Another"))
    with pytest.raises(TypeError, match=r"`text_preset` must be of TextPreset\. Describe the text"):
        register_preset("mine")


@pytest.mark.parametrize("name", preset_names())
def test_each_preset_of_the_package_says_where_it_comes_from(name):
    preset = get_preset(name)
    assert preset.license and preset.origin and "tfrec-fusion" in preset.remedy
    assert all(len(bytes.fromhex(checksum)) == 32 for checksum in preset.files.values())
    assert preset.packaged == is_packaged(name)
    assert preset.packaged != bool(preset.files)  # what its files must be is said in one place
