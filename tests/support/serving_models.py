"""Small exported models for the tests of server and client, every answer checkable by hand."""

from __future__ import annotations

from pathlib import Path
from unittest import mock

import keras
import numpy as np
import scipy.sparse as sp
import tensorflow as tf

from tfrec_fusion.serving.export import reload, verification
from tfrec_fusion.serving.export.bundle import CONFIG
from tfrec_fusion.serving.export.export import export
from tfrec_fusion.serving.export.served import ServedModels

LOWEST = float(np.finfo(np.float32).min)
USERS = ["", "ann", "bob"]
ITEMS = ["", "a", "b", "c", "d"]
TITLES = ["", "Alien", "Brazil", "Casino", "Élisa"]
SCORES = [[0, 0, 0, 0, 0], [0, 5, 4, 3, 2], [0, 1, 2, 3, 4]]  # ann knows a, bob nothing
SIMILAR = [[0] * 5, [0, 9, 3, 2, 1], [0, 3, 9, 5, 4], [0, 2, 5, 9, 6], [0, 1, 4, 6, 9]]
POPULARITY = np.array([0, 10, 30, 20, 40], np.float32)


def table_model(name: str, scores: list[list[float]]) -> keras.Model:
    """A model that looks its scores up in a table."""
    index = keras.Input((), dtype="int32", name=name)
    table = keras.layers.Embedding(len(scores), len(scores[0]), name="table")
    model = keras.Model({name: index}, {"scores": table(index)})
    table.set_weights([np.array(scores, np.float32)])
    return model


def call_here(version_dir: Path, calls: list[dict]) -> list[dict]:
    """What `verification.call_in_clean_process` says, without the seconds of a process."""
    signatures = tf.saved_model.load(str(version_dir)).signatures
    return [reload._call(signatures[one["signature"]], one["inputs"]) for one in calls]


def export_films(folder: Path, version: int, offset: float = 0.0) -> Path:
    """What `export` writes: ann is answered b, c, d with 4, 3 and 2, each plus `offset`."""
    scores = (np.array(SCORES, np.float32) + offset).tolist()
    models = ServedModels(
        table_model("user_id", scores), similarity=table_model("item_id", SIMILAR)
    )
    with mock.patch.object(verification, "call_in_clean_process", call_here):
        report = export(
            models,
            folder,
            user_ids=USERS,
            item_ids=ITEMS,
            titles=TITLES,
            known=sp.csr_matrix(([1], ([1], [1])), shape=(3, 5)),
            popularity=POPULARITY,
            page_sizes=(3,),
            version=version,
        )
    (folder / CONFIG).unlink()  # without labels the latest version counts
    return report.path


TEXT, ROWS = tf.TensorSpec((None,), tf.string), tf.TensorSpec((None, None), tf.string)


class Wishes(tf.Module):
    """Every signature that exports may have, and odd ones, over the items above."""

    def __init__(self) -> None:
        super().__init__()
        self.table = tf.lookup.StaticHashTable(
            tf.lookup.KeyValueTensorInitializer(tf.constant(ITEMS[1:]), tf.range(1, 5)), 0
        )
        self.scores = tf.constant([0.0, 0.1, 0.2, 0.3, 0.4])

    def _best(self, asked: tf.Tensor, exclude: tf.Tensor, allow: tf.Tensor, k: int) -> dict:
        """A page; the rows of `asked` `(batch, any)` that name nothing known have popular items."""
        scores = tf.tile(self.scores[None, :], [tf.shape(asked)[0], 1])
        excluded = tf.reduce_max(tf.one_hot(self.table.lookup(exclude), 5), axis=1)
        allowed = tf.reduce_max(tf.one_hot(self.table.lookup(allow), 5), axis=1)
        nothing_said = tf.reduce_max(allowed[:, 1:], axis=1, keepdims=True) == 0
        hidden = (excluded > 0) | ((allowed == 0) & ~nothing_said) | (tf.range(5) == 0)[None, :]
        values, items = tf.math.top_k(tf.where(hidden, LOWEST, scores), k)
        there = values > LOWEST
        items = tf.where(there, items, 0)
        popular = tf.reduce_all(self.table.lookup(asked) == 0, axis=1, keepdims=True)
        source = tf.where(popular, "popularity", "model")
        lists = tf.concat([asked, exclude, allow], axis=1)
        return {
            "item_id": tf.gather(tf.constant(ITEMS), items),
            "title": tf.gather(tf.constant(TITLES), items),
            "score": tf.where(there, values, 0.0),
            "source": tf.where(there, source, ""),
            "unknown_item_ids": tf.where(self.table.lookup(lists) == 0, lists, ""),
        }

    def _page(self, exclude: tf.Tensor, allow: tf.Tensor, k: int) -> dict:
        """A page for somebody known."""
        known = tf.fill([tf.shape(exclude)[0], 1], "a")
        page = self._best(known, exclude, allow, k)
        return {**page, "unknown_item_ids": page["unknown_item_ids"][:, 1:]}

    def _plain(self, asked: tf.Tensor, k: int) -> dict:
        none = tf.fill([tf.shape(asked)[0], 1], "")
        page = self._page(none, none, k)
        del page["unknown_item_ids"]
        return page

    @tf.function(input_signature=[TEXT])
    def recommend(self, user_id):
        return self._plain(user_id, 2)

    @tf.function(input_signature=[TEXT])
    def recommend_4(self, user_id):
        return self._plain(user_id, 4)

    @tf.function(input_signature=[TEXT, ROWS, ROWS])
    def recommend_filtered(self, user_id, exclude_item_ids, allow_item_ids):
        return self._page(exclude_item_ids, allow_item_ids, 2)

    @tf.function(input_signature=[ROWS])
    def recommend_from_history(self, item_ids):
        none = tf.fill([tf.shape(item_ids)[0], 1], "")
        return self._best(
            item_ids, tf.where(self.table.lookup(item_ids) > 0, item_ids, ""), none, 2
        )

    @tf.function(input_signature=[ROWS, ROWS, ROWS])
    def recommend_from_history_filtered(self, item_ids, exclude_item_ids, allow_item_ids):
        hidden = tf.where(self.table.lookup(item_ids) > 0, item_ids, "")
        hidden = tf.concat([hidden, exclude_item_ids], axis=1)
        return self._best(item_ids, hidden, allow_item_ids, 2)

    @tf.function(input_signature=[TEXT])
    def search(self, query):
        page = self._plain(query, 3)
        return {**page, "source": tf.where(page["source"] == "", "", "text")}

    @tf.function(input_signature=[TEXT, TEXT])
    def score_text(self, user_id, text):
        score = tf.cast(tf.strings.length(text, "UTF8_CHAR"), tf.float32) / 10.0
        return {"score": score, "source": tf.where(user_id == "x", "model", "new_user")}

    @tf.function(input_signature=[TEXT])
    def embed_items(self, text):
        length = tf.cast(tf.strings.length(text), tf.float32)
        return {"embedding": tf.stack([length, -length], axis=1)}

    @tf.function(input_signature=[TEXT])
    def echo(self, text):
        return {"text": text, "text_bytes": text}

    @tf.function(
        input_signature=[
            tf.TensorSpec((None, 2), tf.float32),
            tf.TensorSpec((None,), tf.int32),
            tf.TensorSpec((None,), tf.bool),
        ]
    )
    def numbers(self, x, n, yes):
        return {"sum": tf.reduce_sum(x, axis=1), "next": n + 1, "no": ~yes}

    @tf.function(input_signature=[TEXT, tf.TensorSpec((None,), tf.string)])
    def ended(self, text, end=tf.constant(["!"])):  # noqa: B008 - a default of the signature
        return {"text": text + end}

    @tf.function(input_signature=[tf.TensorSpec((None,), tf.int32)])
    def slow(self, steps):
        """Counts; some ten thousand steps a second."""
        last = tf.while_loop(lambda i: i < steps[0], lambda i: [i + 1], [tf.constant(0)])[0]
        return {"steps": last[None]}


def write_wishes(folder: Path, version: int) -> Path:
    """A model with the signatures of `Wishes`; the best items are d, c, b and a, 0.4 to 0.1."""
    module = Wishes()
    path = folder / str(version)
    names = ("recommend", "recommend_4", "recommend_filtered", "recommend_from_history")
    names += ("recommend_from_history_filtered", "search", "score_text", "embed_items", "echo")
    signatures = {name: getattr(module, name) for name in (*names, "numbers", "slow", "ended")}
    hidden = folder / f".{version}"
    tf.saved_model.save(
        module, str(hidden), {"serving_default": signatures["recommend"], **signatures}
    )
    hidden.rename(path)
    return path
