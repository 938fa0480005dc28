"""A small language model learns which texts a larger one finds alike."""

import dataclasses
import json
from itertools import permutations

import numpy as np
import pytest
from command_line import answer
from stories import QUICK, SMALL, stories

from tfrec_fusion.text.encoding.encoder import TextEncoder
from tfrec_fusion.text.encoding.store import TextStore
from tfrec_fusion.text.language_models.causal import GPT2Size, Schedule
from tfrec_fusion.text.language_models.folders import write_pooling
from tfrec_fusion.text.language_models.presets import load_language_model
from tfrec_fusion.text.pretraining.distillation import distil, likeness
from tfrec_fusion.text.pretraining.pretrain import TextParts, pretrain, split_texts

SIZE = dataclasses.replace(SMALL, vocabulary_size=290)
LARGER = GPT2Size(vocabulary_size=290, num_layers=2, num_heads=2, hidden_dim=48, max_length=32)
WORDS = ["robot", "ship", "love", "paris", "war", "ghost", "child", "music"]
TEXTS = [" ".join(three) for three in permutations(WORDS, 3)]
PARTS = split_texts(TEXTS, validation=0.2, test=0.2)


@pytest.fixture(scope="module")
def presets(tmp_path_factory):
    """A student who has read the texts, and a teacher to whom words mean the same in pairs."""
    folder = tmp_path_factory.mktemp("presets")
    pretrain(split_texts(TEXTS), folder / "student", size=SIZE, schedule=QUICK)
    tokenizer = load_language_model(str(folder / "student")).tokenizer
    teacher = LARGER.backbone()
    words = teacher.token_embedding.embeddings
    meaning = np.random.default_rng(0).normal(size=words.shape)
    for start in ("", " "):  # a word has another token where a text begins with it
        for pair in zip(WORDS[::2], WORDS[1::2], strict=True):
            one, other = (np.asarray(tokenizer(start + word)) for word in pair)
            meaning[one] = meaning[other] = meaning[one[0]]
    words.assign(meaning)
    teacher.save_to_preset(str(folder / "teacher"))
    tokenizer.save_to_preset(str(folder / "teacher"))
    write_pooling(folder / "teacher", "mean", LARGER.hidden_dim)
    return folder


def test_the_student_comes_to_see_what_the_teacher_sees(presets, tmp_path):
    schedule = Schedule(epochs=8, batch_size=16, learning_rate=5e-3, weight_decay=0.0)
    store = TextStore(tmp_path / "store")
    names = str(presets / "student"), PARTS, tmp_path / "alike"
    found = distil(*names, teacher=str(presets / "teacher"), schedule=schedule, store=store)
    assert found.after.correlation > found.before.correlation + 0.1
    assert found.after.nearest > found.before.nearest
    assert found.loss[-1] < found.loss[0]
    assert len(found.val_loss) == 8
    said = json.loads((tmp_path / "alike" / "distillation.json").read_text())
    assert said["after"]["nearest"] == found.after.nearest
    assert said["teacher"] == str(presets / "teacher")
    one, other = (
        TextEncoder(str(preset), max_length=32).encode(PARTS.test)
        for preset in (presets / "teacher", tmp_path / "alike")
    )
    written = likeness(one, other)  # what was written is what was measured
    assert written.correlation == pytest.approx(found.after.correlation, abs=1e-3)
    assert TextEncoder(str(tmp_path / "alike"), max_length=32).pooling == "mean"
    with pytest.raises(FileExistsError, match="Name a folder that does not"):
        distil(*names)


def test_the_command_distils_from_a_file(presets, tmp_path):
    (tmp_path / "texts.txt").write_text("\n".join(stories(200)))
    said = answer(
        *("distil-lm", presets / "student", "--texts", tmp_path / "texts.txt"),
        *("--teacher", presets / "teacher", "--out", tmp_path / "out", "--epochs", 1),
        *("--batch-size", 16),
    )
    assert said["folder"] == str(tmp_path / "out")
    teacher, student = (
        TextEncoder(str(preset), max_length=32).encode(split_texts(stories(200)).test)
        for preset in (presets / "teacher", tmp_path / "out")
    )
    correlation, nearest = likeness_by_hand(teacher, student)
    assert said["after"]["correlation"] == pytest.approx(correlation, abs=1e-3)
    assert said["after"]["nearest"] == pytest.approx(nearest, abs=0.02)  # near ties may change
    written = json.loads((tmp_path / "out" / "distillation.json").read_text())
    assert said["after"] == written["after"]


def test_a_batch_must_be_filled(tmp_path):
    few = TextParts(["a text"] * 9, ["a text"] * 9, ["a text"])
    with pytest.raises(ValueError, match=r"`parts.train` must fill a batch of 64 texts.*: 9"):
        distil("minilm", few, tmp_path / "out")
    assert not list(tmp_path.iterdir())


def likeness_by_hand(one, other):
    """Spearman's correlation of the pairs' cosines, and the share of ten nearest in common."""
    units = [rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (one, other)]
    number = range(len(one))
    pairs = [[rows[i] @ rows[j] for i in number for j in number if i < j] for rows in units]
    ranks = [np.argsort(np.argsort(one)) for one in pairs]
    shared = []
    for i in number:
        near = [sorted(set(number) - {i}, key=lambda j, r=rows: -(r[i] @ r[j])) for rows in units]
        shared.append(len(set(near[0][:10]) & set(near[1][:10])) / 10)
    return np.corrcoef(ranks)[0, 1], np.mean(shared)


def test_likeness_by_hand():
    rows = np.random.default_rng(0).normal(size=(40, 5))
    turned = rows @ np.linalg.qr(np.random.default_rng(1).normal(size=(5, 5)))[0]
    same = likeness(rows, 3 * turned)
    assert same.correlation == pytest.approx(1)
    assert same.nearest == 1
    for seed in range(2, 5):
        others = np.random.default_rng(seed).normal(size=(40, 5)) + 0.2 * seed * rows
        found, (correlation, nearest) = likeness(rows, others), likeness_by_hand(rows, others)
        assert found.correlation == pytest.approx(correlation, abs=1e-9)
        assert found.nearest == pytest.approx(nearest, abs=1e-9)
