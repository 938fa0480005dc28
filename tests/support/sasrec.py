"""SASRec (Kang and McAuley 2018, https://arxiv.org/abs/1808.09781) with full softmax.

tfrec-zoo --plugin sasrec.py train sasrec --data movielens-100k --out runs/sasrec

x_t    = item[i_t]                 relative positions are biases of the attention
h      = blocks(x)                 causal self-attention and feed-forward
logits = h · item                  the candidate tower is the item table
"""

from dataclasses import dataclass

import keras

from tfrec_fusion import layers, training, zoo
from tfrec_fusion.data import batches


@dataclass(frozen=True)
class SASRecConfig:
    """Sizes of a SASRec model."""

    num_items: int
    embedding_dim: int = zoo.option(64, "size of item and hidden vectors")
    num_blocks: int = zoo.option(2, "transformer blocks")
    dropout: float = zoo.option(0.5, "dropout rate", low=0.0, high=0.9)
    history_length: int = zoo.option(50, "items of the history that are read")


def build(config: SASRecConfig) -> keras.Model:
    """Returns `history (batch, steps)` → `logits (batch, steps, num_items)`."""
    # === Layers ===
    candidate_tower = layers.ItemTower(
        config.num_items, config.embedding_dim, name="candidate_tower"
    )
    query_tower = layers.HistoryEncoder(
        config.embedding_dim,
        num_layers=config.num_blocks,
        max_distance=config.history_length,
        dropout=config.dropout,
        name="query_tower",
    )
    # === Functional ===
    history = keras.Input((None,), dtype="int32", name="history")
    hidden = query_tower(candidate_tower(history), history > 0)  # (batch, steps, embedding_dim)
    logits = candidate_tower(hidden, reverse=True)  # (batch, steps, num_items)
    return zoo.RetrievalModel({"history": history}, {"logits": logits}, name="sasrec")


SPEC = zoo.register(
    zoo.ModelSpec(
        name="sasrec",
        summary="causal self-attention over the history",
        config=SASRecConfig,
        build=build,
        batches=batches.next_items,
        recipe=training.Recipe("softmax", epochs=100, batch_size=128, learning_rate=1e-3),
    )
)
