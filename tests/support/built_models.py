"""Small networks of the zoo, one or more of each kind, and the data they are built for.

`built` makes a model, and `shared` lends one that is made once a process: to build a model costs
as much as most of what tests ask of it.
"""

import dataclasses
import functools

import keras
import keras_hub
import numpy as np
import tensorflow as tf

from tfrec_fusion import zoo
from tfrec_fusion.data.graph import knowledge_of
from tfrec_fusion.data.indexed import index_data
from tfrec_fusion.data.sources.synthetic import generate
from tfrec_fusion.layers.precision import dtype_policy_scope
from tfrec_fusion.text.encoding.byte_pairs import train_tokenizer
from tfrec_fusion.text.interests.user_profiles import spoken_words
from tfrec_fusion.text.language_models.tower import TextTower
from tfrec_fusion.zoo.answers.compiled_scores import compiled_scores

DATA = index_data(generate(30, 20, 300, seed=2, with_graph=True))
SAID = np.resize(
    np.array(["a good cable", "bad, it broke", "good sound for me"], object), len(DATA.train)
)
EVENTS = dataclasses.replace(DATA.train, text=SAID)
KNOWLEDGE = knowledge_of(DATA, DATA.graph)
SIZES = {"num_users": len(DATA.users), "num_items": len(DATA.items)}
SMALL = {"dim": 8, "num_layers": 1, "history_length": 6, "dropout": 0.0}
FEATURES = np.eye(SIZES["num_items"], 3, dtype=np.float32)
TEXTS = np.random.default_rng(0).normal(size=(SIZES["num_items"], 12)).astype(np.float32)
WORDS = np.random.default_rng(1).normal(size=(SIZES["num_users"], 10)).astype(np.float32)
ROWS = ("user", "item", "rating", "timestamp")
HYBRID = {**SMALL, "item_text": TEXTS, "text_components": 6, "id_dropout": 0.2}


def tuned(mode):
    backbone = keras_hub.models.GPT2Backbone(
        vocabulary_size=30, num_layers=1, num_heads=2, hidden_dim=12, intermediate_dim=16
    )
    ids = np.random.default_rng(2).integers(0, 30, size=(SIZES["num_items"], 4)).astype(np.int32)
    numbers = np.arange(SIZES["num_items"], dtype=np.int32) % 5
    tower = TextTower(backbone, "last", mode=mode, lora_rank=2, dtype="float32")
    return {**HYBRID, "text_mode": mode, "text_tower": tower, "item_tokens": (ids, numbers)}


def with_tasks(**choices):
    """Untrained GPT-2 and tokenizer, of sizes for a test."""
    sizes = {"pairs": 2, "review_length": 5, "language_dim": 4, "expert_units": (8,)}
    return {**HYBRID, **sizes, "tokenizer": train_tokenizer(list(SAID), 262), **choices}


def with_evidence(**choices):
    rng, words = np.random.default_rng(4), {"num_words": 20}
    item_words, user_words, _ = spoken_words(EVENTS, DATA.item_texts(), **words)
    profiles = rng.normal(size=(SIZES["num_users"], 12)).astype(np.float32)
    arrays = {"item_text": TEXTS, "profile_text": profiles}
    arrays |= {"item_words": item_words, "user_words": user_words}
    sizes = {"dim": 8, "text_components": 6, "history_length": 6, "negatives": 2}
    return {**arrays, **sizes, "reasoning_units": 8, **choices}


CASES = {
    "gmf": ("gmf", {"gmf_dim": 8}),
    "mlp": ("mlp", {"mlp_dim": 8, "mlp_units": (16, 8)}),
    "neumf": ("neumf", {"gmf_dim": 8, "mlp_dim": 8, "mlp_units": (16, 8), "l2": 1e-5}),
    "attention": ("two_tower", SMALL),
    "gru": ("two_tower", {**SMALL, "encoder": "gru"}),
    "user and history": ("two_tower", {**SMALL, "query": "user_id+history"}),
    "user": ("two_tower", {**SMALL, "query": "user_id"}),
    "features": ("two_tower", {**SMALL, "item_features": FEATURES}),
    "in-batch": ("two_tower", {**SMALL, "negatives": "in_batch"}),
    "in-batch user": (
        "two_tower",
        {**SMALL, "negatives": "in_batch", "query": "user_id", "num_hard_negatives": 4},
    ),
    "hybrid": ("text_hybrid", HYBRID),
    "hybrid id": ("text_hybrid", {**SMALL, "sources": "id"}),
    "hybrid text": ("text_hybrid", {**HYBRID, "sources": "text", "fusion": "residual"}),
    "hybrid user": (
        "text_hybrid",
        {**HYBRID, "query": "user_id+history", "user_text": WORDS, "fusion": "gated"},
    ),
    "hybrid user alone": ("text_hybrid", {**HYBRID, "query": "user_id", "fusion": "attention"}),
    "hybrid in-batch": ("text_hybrid", {**HYBRID, "negatives": "in_batch"}),
    "hybrid ncf": ("text_hybrid", {**HYBRID, "head": "ncf", "user_text": WORDS}),
    "knowledge": ("knowledge_hybrid", {**HYBRID, "knowledge": KNOWLEDGE, "graph_dim": 4}),
    "knowledge without text": (
        "knowledge_hybrid",
        {**SMALL, "sources": "id", "knowledge": KNOWLEDGE, "triple_score": "bilinear"},
    ),
    "knowledge without ids": (
        "knowledge_hybrid",
        {**HYBRID, "sources": "text", "knowledge": KNOWLEDGE, "graph_dim": 4},
    ),
    "tasks": ("multi_task", with_tasks()),
    "tasks in a PLE": ("multi_task", with_tasks(bottom="ple", num_experts=2, tasks=("sentiment",))),
    "tasks with a frozen reader": (
        "multi_task",
        {
            **{**HYBRID, "query": "user_id+history", "pairs": 2, "expert_units": (8,)},
            **{"tasks": ("rating",), "bottom": "shared", "review_reader": "frozen"},
        },
    ),
    "evidence": ("profile_fusion", with_evidence()),
    "evidence without behavior": (
        "profile_fusion",
        with_evidence(tasks=("profile", "semantics"), levels=1),
    ),
    "hybrid lora": ("gpt2_hybrid", lambda: tuned("lora")),
    "hybrid full": ("gpt2_hybrid", lambda: tuned("full")),
}


# Near relatives of other cases: `make test-all` runs them.
SLOW = (
    *("gru", "user", "features", "in-batch user", "hybrid in-batch"),
    *("hybrid user alone", "hybrid full"),
    *("knowledge without text", "knowledge without ids", "tasks in a PLE"),
    *("tasks with a frozen reader", "evidence without behavior"),
)


def built(named, **more):
    keras.utils.set_random_seed(0)
    name, arguments = named
    arguments = arguments() if callable(arguments) else arguments
    return zoo.build(name, **SIZES, **arguments, **more)


def one_batch(named, model, batch_size=64):
    """The spec, and one of its batches."""
    spec = zoo.get_spec(named[0])
    return spec, spec.batches(model, EVENTS, batch_size, 0).take(1).cache()


class Shared:
    """A network that tests share, with what they ask of it again and again.

    Attributes:
        named: The entry of `CASES`.
        spec: How it is trained.
        model: It may be called, changed and trained. Once compiled it stays compiled, and `save`
            would tell.
    """

    def __init__(self, named, model):
        self.named, self.spec, self.model = named, zoo.get_spec(named[0]), model
        self.start = [(one, tf.identity(one.value)) for one in model.variables]

    def put_back(self):
        """Gives every variable the value that it was built with."""
        for variable, value in self.start:
            variable.assign(value)

    @functools.cached_property
    def batch(self):
        """A batch that it is trained on, in memory."""
        return next(iter(one_batch(self.named, self.model)[1]))

    @functools.cached_property
    def scores(self):
        """Scores of users, by their indices in `DATA.train`; they follow the weights."""
        return compiled_scores(self.model.score_model(DATA.train))


@functools.cache
def _made(case, policy):
    with dtype_policy_scope(policy):
        return Shared(CASES[case], built(CASES[case]))


def shared(case, policy="float32"):
    """The network of a case as it was built, whatever the last test made of it."""
    one = _made(case, policy)
    one.put_back()
    return one
