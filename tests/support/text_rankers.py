"""Small text rankers and their inputs."""

import keras
import keras_hub
import numpy as np

from tfrec_fusion.zoo.models.text_ranker.network import text_ranker

RNG = np.random.default_rng(0)
BATCH, WORDS, DIM = 16, 20, 8
USER = RNG.integers(1, WORDS, (BATCH, 6)).astype(np.int32)
ITEM = RNG.integers(1, WORDS, (BATCH, 4)).astype(np.int32)
TOKENS = {
    "user_token_ids": USER,
    "user_num_tokens": np.arange(BATCH, dtype=np.int32) % 7,
    "item_token_ids": ITEM,
    "item_num_tokens": np.arange(BATCH, dtype=np.int32)[::-1] % 5,
}
VECTORS = {
    "user_vector": RNG.normal(size=(BATCH, DIM)).astype(np.float32),
    "item_vector": RNG.normal(size=(BATCH, DIM)).astype(np.float32),
}
SMALL = {"lexical_buckets": 64, "hidden_units": (16,), "dropout": 0.0, "lora_rank": 2}
VARIANTS = {
    "lexical": {"backbone": False},
    "vectors": {"backbone": False, "vector_dim": DIM, "lexical_buckets": 0},
    "vectors and lexical": {"backbone": False, "vector_dim": DIM},
    "towers": {},
    "lora": {"pair": "cross", "mode": "lora"},
    "full": {"pair": "cross", "mode": "full", "pooling": "first", "full_layers": 1},
}


def bert(num_layers=1):
    return keras_hub.models.BertBackbone(
        vocabulary_size=WORDS,
        num_layers=num_layers,
        num_heads=2,
        hidden_dim=DIM,
        intermediate_dim=16,
        max_sequence_length=32,
        dropout=0.0,
    )


def built(variant, **more):
    keras.utils.set_random_seed(0)
    choices = {**SMALL, **VARIANTS[variant], **more}
    backbone = bert() if choices.pop("backbone", True) else None
    return text_ranker(backbone, **choices)


def inputs_of(model):
    return {name: {**TOKENS, **VECTORS}[name] for name in model.input}


def randomized(model):
    """The model with small random weights where it starts with zeros."""
    for weight in model.trainable_weights:
        weight.assign(weight + RNG.normal(scale=0.1, size=weight.shape))
    return model
