"""Revisions of language models: named, pinned when a training begins, and the same ones again."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pandas as pd
import pytest
from flipped import flipped
from package_folder import use
from tiny_bert import save_tiny_bert

from tfrec_fusion.data.tables.rec_data import RecData
from tfrec_fusion.errors import AlreadyExists
from tfrec_fusion.files.checksums import checksums
from tfrec_fusion.text.language_models.named import minilm
from tfrec_fusion.text.language_models.packaged_files import packaged_folder
from tfrec_fusion.text.language_models.presets import load_language_model
from tfrec_fusion.text.language_models.registry import PresetUnavailable
from tfrec_fusion.text.language_models.revisions import check_preset, pinned, preset_files
from tfrec_fusion.zoo.exports.export_run import export_run
from tfrec_fusion.zoo.prebuilt.card import cards
from tfrec_fusion.zoo.prebuilt.load import load
from tfrec_fusion.zoo.prebuilt.publishing import publish
from tfrec_fusion.zoo.runs.explainer import explainer_of
from tfrec_fusion.zoo.runs.fine_tuning import fine_tune
from tfrec_fusion.zoo.runs.run import load_run
from tfrec_fusion.zoo.runs.train import train

FIRST, SECOND = "a" * 40, "b" * 40
WORDS = ("robot", "horse", "castle")
HUB = "hf://owner/tiny"


class Hub:
    """The Hugging Face Hub as this machine knows it: two commits, a branch and a tag."""

    def __init__(self, folder):
        self.model = folder / "models--owner--tiny"
        (self.model / "refs").mkdir(parents=True)
        for commit, words in ((FIRST, WORDS), (SECOND, ("robot", "wagon"))):
            (self.model / "snapshots").mkdir(exist_ok=True)
            save_tiny_bert(str(self.snapshot(commit)), list(words))
        self.point("main", FIRST)
        self.point("v2", SECOND)

    def snapshot(self, commit):
        return self.model / "snapshots" / commit

    def point(self, name, commit):
        (self.model / "refs" / name).write_text(commit)


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hub")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
        patch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(folder))
        patch.setenv("TFREC_FUSION_CACHE", str(folder / "ours"))
        yield Hub(folder)


@pytest.fixture(autouse=True)
def main_is_the_first(hub):
    hub.point("main", FIRST)


def tables(users):
    rng = np.random.default_rng(0)
    items = pd.DataFrame({"item_id": [f"i{n}" for n in range(9)]})
    items["title"] = [f"the {WORDS[n % 3]} {n}" for n in range(9)]
    rows = [
        (f"u{user}", f"i{n}", t) for user in users for t, n in enumerate(rng.permutation(9)[:6])
    ]
    return RecData(
        pd.DataFrame(rows, columns=["user_id", "item_id", "timestamp"]), items, name="toy"
    )


TABLES = tables(range(12))
OPTIONS = {"text_preset": HUB, "epochs": 1, "refit": False, "progress": False}


@pytest.fixture(scope="module")
def trained(hub, tmp_path_factory):
    hub.point("main", FIRST)
    out = tmp_path_factory.mktemp("runs") / "hybrid"
    return train("gpt2_hybrid", TABLES, out, **OPTIONS, dim=4)


def test_a_branch_and_a_tag_are_pinned_to_their_commits(hub):
    assert pinned(HUB) == pinned(f"{HUB}@main") == pinned(f"{HUB}@{FIRST}") == f"{HUB}@{FIRST}"
    assert pinned(f"{HUB}@v2") == f"{HUB}@{SECOND}"
    hub.point("main", SECOND)
    assert pinned(HUB) == f"{HUB}@{SECOND}" and pinned(f"{HUB}@{FIRST}") == f"{HUB}@{FIRST}"


def test_the_revision_that_is_named_is_loaded(hub):
    prints = {}
    for commit, name in ((FIRST, f"{HUB}@{FIRST}"), (SECOND, f"{HUB}@v2")):
        found = load_language_model(name)
        prints[commit] = found.fingerprint
        assert found.name == name
        assert found.fingerprint == load_language_model(str(hub.snapshot(commit))).fingerprint
    assert prints[FIRST] == load_language_model(HUB).fingerprint != prints[SECOND]


def test_a_revision_that_is_not_to_be_had_is_named(hub):
    with pytest.raises(PresetUnavailable, match=rf"{HUB}@v3 could not be had: "):
        load_language_model(f"{HUB}@v3")
    with pytest.raises(ValueError, match=rf"followed by a commit, .* Received: {HUB}@\."):
        load_language_model(f"{HUB}@")
    with pytest.raises(ValueError, match=r"or owner/name@revision\. Received: hf://a/b/c@d"):
        pinned("hf://a/b/c@d")


def test_models_of_kaggle_are_pinned_to_their_versions(tmp_path, monkeypatch):
    asked = []

    def download(handle, name):
        asked.append(handle)
        path = tmp_path / "3" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("{}")
        return str(path)

    monkeypatch.setattr("kagglehub.model_download", download)
    assert pinned("kaggle://owner/bert/keras/small") == "kaggle://owner/bert/keras/small/3"
    assert asked == ["owner/bert/keras/small"]
    versioned = "kaggle://owner/bert/keras/small/3"
    files = preset_files(versioned)
    assert pinned(versioned) == versioned and list(files) == ["config.json"]
    assert pinned("bert_tiny_en_uncased") == "kaggle://keras/bert/keras/bert_tiny_en_uncased/3"
    check_preset(versioned, files, "a run")
    with pytest.raises(
        PresetUnavailable, match=r"a run was trained with another kaggle://.*/3: .*"
    ):
        check_preset(versioned, {"config.json": 64 * "0"}, "a run")
    with pytest.raises(ValueError, match=r"named kaggle://owner/model/keras/variant"):
        pinned("kaggle://owner/bert")


def test_other_presets_stand_for_themselves(hub):
    folder = str(hub.snapshot(FIRST))
    assert [pinned(one) for one in ("minilm", "tiny_gpt2", folder)] == [
        "minilm",
        "tiny_gpt2",
        folder,
    ]
    assert preset_files("minilm") == minilm.MODEL.files
    assert preset_files("tiny_gpt2") == checksums(packaged_folder("tiny_gpt2"))
    assert "model.weights.h5" in preset_files(folder)


def test_a_run_records_the_commit_and_the_files_that_it_was_trained_with(hub, trained):
    info = load_run(trained.folder).info
    assert info["options"]["text_preset"] == f"{HUB}@{FIRST}"
    assert info["language_models"] == {f"{HUB}@{FIRST}": checksums(hub.snapshot(FIRST))}
    assert json.loads((trained.folder / "plan.json").read_text())["options"]["text_preset"] == (
        f"{HUB}@{FIRST}"
    )


def test_a_run_goes_on_with_its_commit_when_the_branch_has_moved(hub, trained, tmp_path):
    hub.point("main", SECOND)
    kept = {name: value for name, value in OPTIONS.items() if name != "text_preset"}
    tuned = fine_tune(trained, tables(range(10, 15)), tmp_path / "tuned", **kept)
    assert tuned.info["options"]["text_preset"] == f"{HUB}@{FIRST}"
    assert tuned.info["language_models"] == trained.info["language_models"]


def test_a_training_that_was_interrupted_does_not_go_on_with_another_commit(hub, tmp_path):
    def interrupt(line):
        (tmp_path / "run" / "training").mkdir(exist_ok=True)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train("gpt2_hybrid", TABLES, tmp_path / "run", **OPTIONS, say=interrupt)
    hub.point("main", SECOND)
    with pytest.raises(AlreadyExists, match=rf"`text_preset` was .*{FIRST}.*, is now .*{SECOND}"):
        train("gpt2_hybrid", TABLES, tmp_path / "run", **OPTIONS)


def test_changed_files_of_the_commit_are_refused_wherever_the_language_model_is_read(
    hub, trained, tmp_path, monkeypatch
):
    use(tmp_path / "package", monkeypatch)
    monkeypatch.setattr(
        "tfrec_fusion.zoo.prebuilt.query_texts._save_vectors",
        lambda run, path: path.write_bytes(b"texts"),
    )
    publish("gpt2_hybrid.toy", [trained.folder], [], text="A toy.", include_events=True)
    assert cards()["gpt2_hybrid.toy"].language_models == trained.info["language_models"]
    published = load("gpt2_hybrid.toy")
    assert len(published.explain("u1", words=True).words)
    asks = [
        lambda: explainer_of(trained),
        lambda: published.explain("u1", words=True),
        lambda: fine_tune(trained, tables(range(10, 15)), tmp_path / "tuned", **OPTIONS),
        lambda: export_run(trained, tmp_path / "served"),
    ]
    path = hub.snapshot(FIRST) / "model.weights.h5"
    with flipped(path, path.stat().st_size // 2):
        for ask in asks:
            with pytest.raises(
                PresetUnavailable,
                match=rf"trained with another {HUB}@{FIRST}: {path} was changed: ",
            ):
                ask()
    assert not (tmp_path / "served").exists() and not (tmp_path / "tuned").exists()
    kept = shutil.move(hub.snapshot(FIRST), tmp_path / "kept")
    with pytest.raises(PresetUnavailable, match=rf"{HUB}@{FIRST} could not be had"):
        explainer_of(trained)
    shutil.move(kept, hub.snapshot(FIRST))
