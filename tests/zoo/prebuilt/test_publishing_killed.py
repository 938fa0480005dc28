"""Publications that are killed, or meet a full disk, at any change of the package's folder."""

from __future__ import annotations

import errno
import json
import shutil
import threading

import pytest
from package_folder import use

from tfrec_fusion.data.sources.synthetic import generate
from tfrec_fusion.files.checksums import first_fault
from tfrec_fusion.files.lock import only_writer
from tfrec_fusion.zoo.prebuilt.card import cards
from tfrec_fusion.zoo.prebuilt.load import load
from tfrec_fusion.zoo.prebuilt.publishing import publish
from tfrec_fusion.zoo.runs.ensembling import train_ensemble
from tfrec_fusion.zoo.runs.run import load_run
from tfrec_fusion.zoo.runs.train import train

TABLES = generate(40, 25, 500, seed=3)
READER = {"preset": "tiny_gpt2", "max_length": 32, "fingerprint": "that of a test", "files": {}}
VECTORS = b"vectors of a catalog"
PUBLISH = """
import json, sys
from pathlib import Path
from tfrec_fusion.zoo.prebuilt import card, load, publishing, query_texts

package, reader, vectors, name, *runs = sys.argv[1:]
for module in (card, publishing):
    module.CARDS = Path(package) / "cards"
for module in (load, publishing):
    module.WEIGHTS = Path(package) / "weights"
publishing.query_reader = lambda: json.loads(reader)
query_texts._save_vectors = lambda run, path: path.write_bytes(vectors.encode())
said = {"text": "A toy.", "include_events": True, "say": print}
publishing.publish(name, list(map(Path, runs)), [], **said)
"""


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    for name, l2 in (("ease", 5.0), ("other", 500.0)):
        train("ease", TABLES, folder / name, l2=l2)
    train("popularity", TABLES, folder / "popularity")
    train_ensemble([folder / "ease", folder / "popularity"], folder / "ensemble", scale="scores")
    return folder


@pytest.fixture(scope="module")
def package(runs, tmp_path_factory):
    """A package of three models, of which the ensemble is made of the others."""
    folder = tmp_path_factory.mktemp("package")
    with pytest.MonkeyPatch.context() as patch:
        use(folder, patch)
        patch.setattr("tfrec_fusion.zoo.prebuilt.publishing.query_reader", lambda: READER)
        patch.setattr(
            "tfrec_fusion.zoo.prebuilt.query_texts._save_vectors",
            lambda run, path: path.write_bytes(VECTORS),
        )
        for name in ("ease", "popularity", "ensemble"):
            publish(f"{name}.toy", [runs / name], [], text="A toy.", include_events=True)
    return folder


def answers(name):
    model = load(name)
    return model.recommend(model.users[:4], k=5)[["item_id", "score"]].values.tolist()


def publication(package, name, *runs, vectors=VECTORS):
    return (package, json.dumps(READER), vectors.decode(), name, *runs)


class Attack:
    """Ends publications of `ease.toy` by another run, and looks at the package afterwards."""

    def __init__(self, killer, runs, package, folder, patch):
        self.killer, self.runs, self.whole, self.folder = killer, runs, package, folder
        self.patch = patch
        use(package, patch)
        self.before = {name: answers(name) for name in cards()}
        done = self.killed()
        assert done.code == 0, done.errors
        self.changes, self.after = done.changes, answers("ease.toy")
        assert self.after != self.before["ease.toy"]

    def killed(self, **how):
        """Starts from the whole package; gives how the publication ended."""
        shutil.rmtree(self.folder, ignore_errors=True)
        shutil.copytree(self.whole, self.folder)
        use(self.folder, self.patch)
        return self.publish(**how)

    def publish(self, **how):
        arguments = publication(self.folder, "ease.toy", self.runs / "other")
        return self.killer.run(PUBLISH, arguments, folder=self.folder, **how)

    def check(self):
        """All models answer; the publication, repeated, is whole and leaves nothing else."""
        for name in ("popularity.toy", "ensemble.toy"):
            assert answers(name) == self.before[name]
        assert answers("ease.toy") in (self.before["ease.toy"], self.after)
        again = self.publish()
        assert again.code == 0, again.errors
        assert answers("ease.toy") == self.after
        assert answers("ensemble.toy") == self.before["ensemble.toy"]
        weights = self.folder / "weights"
        found = {one.relative_to(weights).as_posix() for one in weights.rglob("*") if one.is_file()}
        assert found == {name for card in cards().values() for name in card.files}


@pytest.fixture
def attack(killer, runs, package, tmp_path, monkeypatch):
    return Attack(killer, runs, package, tmp_path / "package", monkeypatch)


def spread(changes, number):
    return sorted({1 + (changes - 1) * one // (number - 1) for one in range(number)})


def test_a_killed_publication_leaves_all_models_as_they_were(attack):
    for at in spread(attack.changes, 4):
        assert attack.killed(at=at).killed
        attack.check()


@pytest.mark.slow
def test_a_publication_may_be_killed_at_any_change(attack):
    for at in range(1, attack.changes + 1):
        assert attack.killed(at=at).killed
        attack.check()
    for limit in range(64, 20_000, 997):  # in the middle of a write
        if attack.killed(limit=limit, torn=True).code:
            attack.check()


def test_a_full_disk_leaves_all_models_as_they_were(attack):
    for how in ({"limit": 700}, {"at": attack.changes // 2, "errno": errno.ENOSPC}):
        full = attack.killed(**how)
        assert full.code != 0 and not full.killed
        attack.check()


@pytest.mark.slow
def test_a_disk_may_be_full_at_any_change(attack):
    for at in range(1, attack.changes + 1):
        attack.killed(at=at, errno=errno.ENOSPC)
        attack.check()


def test_a_first_publication_that_was_killed_leaves_no_model_and_no_obstacle(
    killer, runs, tmp_path, monkeypatch
):
    use(tmp_path / "new", monkeypatch)
    arguments = publication(tmp_path / "new", "ease.toy", runs / "ease")
    changes = killer.run(PUBLISH, arguments, folder=tmp_path / "new").changes
    expected = answers("ease.toy")
    elsewhere = train("ease", generate(40, 25, 500, seed=4), tmp_path / "elsewhere")
    for at in spread(changes, 4)[1:3]:
        shutil.rmtree(tmp_path / "new")
        assert killer.run(PUBLISH, arguments, folder=tmp_path / "new", at=at).killed
        assert not cards()
    # Whatever it left is no reason to refuse other data under the same name.
    with monkeypatch.context() as patch:
        patch.setattr("tfrec_fusion.zoo.prebuilt.publishing.query_reader", lambda: READER)
        patch.setattr(
            "tfrec_fusion.zoo.prebuilt.query_texts._save_vectors",
            lambda run, path: path.write_bytes(VECTORS),
        )
        publish("ease.toy", [elsewhere.folder], [], text="Other data.", include_events=True)
    assert answers("ease.toy") != expected
    assert first_fault(tmp_path / "new" / "weights", cards()["ease.toy"].files) is None


def test_other_data_never_replaces_what_models_share(attack, tmp_path):
    shutil.copytree(attack.whole, attack.folder, dirs_exist_ok=True)
    train("popularity", generate(40, 25, 500, seed=4), tmp_path / "elsewhere")
    arguments = publication(attack.folder, "popularity.toy", tmp_path / "elsewhere")
    refused = attack.killer.run(PUBLISH, arguments, folder=attack.folder)
    assert refused.code == 1 and "or publish into another folder" in refused.errors
    assert "ease.toy, ensemble.toy, popularity.toy read it" in refused.errors
    for name in ("popularity.toy", "ensemble.toy"):
        assert answers(name) == attack.before[name]
    elsewhere = publication(attack.folder, "popularity.too", tmp_path / "elsewhere")
    assert attack.killer.run(PUBLISH, elsewhere, folder=attack.folder).code == 0
    assert answers("popularity.too") != attack.before["popularity.toy"]


def test_two_publications_wait_for_each_other(runs, package, tmp_path, monkeypatch):
    copied = shutil.copytree(package, tmp_path / "package")
    use(copied, monkeypatch)
    monkeypatch.setattr("tfrec_fusion.zoo.prebuilt.publishing.query_reader", lambda: READER)
    said, waits = [], threading.Event()

    def say(line):
        said.append(line)
        waits.set()

    second = threading.Thread(
        target=lambda: publish(
            "ease.toy", [runs / "other"], [], text="A toy.", include_events=True, say=say
        )
    )
    with only_writer(copied / "weights"):
        before = {path: path.read_bytes() for path in copied.rglob("*") if path.is_file()}
        second.start()
        assert waits.wait(60) and said == [
            f"Waiting for another process that writes to {copied}/weights"
        ]
        after = {path: path.read_bytes() for path in copied.rglob("*") if path.is_file()}
        assert after == before
    second.join(60)
    assert load("ease.toy").card.hyperparameters == load_run(runs / "other").info["hyperparameters"]
