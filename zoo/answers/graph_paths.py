"""Paths of a knowledge graph that carried a recommendation: past item, shared entity, item."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from tfrec_fusion.data.graph_names import GraphNames
from tfrec_fusion.zoo.answers.catalog_answers import CatalogAnswers
from tfrec_fusion.zoo.protocols import ReadsGraph

COLUMNS = (
    *("path", "effect", "weight"),
    *("entity_id", "entity", "relation", "relation_ids", "past_items"),
)
Neighbors = dict[int, list[int]]  # entities to relations, by falling attention


def graph_paths(
    recommender: CatalogAnswers,
    names: GraphNames,
    history: np.ndarray,
    user: int,
    item: int,
    past: Sequence[int],
) -> pd.DataFrame:
    """What an item's neighbors in the graph do for its score, one row an entity.

    What the model reads at inference is read here: of an item with many neighbors the same few
    each time. An entity that past items read too makes paths between them and the item; it is set
    aside at both ends. The vector of an item that `zoo.models.text_hybrid.new_items` placed reads
    no graph: there only what the entity does for the past items counts.

    Args:
        recommender: A two-tower hybrid that reads histories and a graph, and its catalog.
        names: Names of the graph.
        history: `(steps,)` item indices, oldest first.
        user: Index of the user.
        item: Index of the item.
        past: The distinct items of the history, in the order in which to name them.

    Returns:
        Columns `path`, in words; `effect`, by how much the score falls without the entity;
        `weight`, the item's attention to it, from 0 to 1; `entity_id`; `entity`, a title where
        it is an item, else its id; `relation`, in words, and `relation_ids` between item and
        entity, by falling attention; `past_items`, those that read it too: `item_id`, `title` and
        `relation_ids`. No row for an item without neighbors.
    """
    model = recommender.model
    assert isinstance(model, ReadsGraph)
    others = [one for one in past if one != item]
    # (1 + others, num_neighbors) each
    weights, relation, tail = model.graph_evidence(np.array([item, *others]))
    own, *theirs = map(_neighbors, weights, relation, tail)
    aside = np.array([0, *own])[:, None]  # one at a time, after none
    whole, *rest = model.scores_without(history, user, item, aside)
    rows = []
    for (entity, relations), score in zip(own.items(), rest, strict=True):
        readers = zip(others, theirs, strict=True)
        via = {one: read[entity] for one, read in readers if entity in read}
        title = _title(recommender, names, entity)
        row = {
            "path": _path(recommender, names, item, title, relations, via),
            "effect": float(whole - score),
            "weight": float(weights[0][tail[0] == entity].sum()),
            "entity_id": names.entities[entity],
            "entity": title,
            "relation": names.relation(relations[0]),
            "relation_ids": [names.relations[one] for one in relations],
        }
        row["past_items"] = [
            {
                "item_id": str(recommender.items.ids[one]),
                "title": str(recommender.titles[one]),
                "relation_ids": [names.relations[each] for each in read],
            }
            for one, read in via.items()
        ]
        rows.append(row)
    return pd.DataFrame(rows, columns=list(COLUMNS))


def on_a_line(path: dict[str, Any]) -> str:
    """A row of `graph_paths` for a terminal."""
    more = len(path["past_items"]) - 1
    also = f"; {more} more past items share it" if more > 1 else "; 1 more past item shares it"
    return f"{path['path']}  (attention {path['weight']:.2f}{also if more > 0 else ''})"


def beside_a_bar(path: dict[str, Any]) -> str:
    """A row of `graph_paths` in few words: what tells paths to the same item apart comes first."""
    past = f", {path['past_items'][0]['title']}" if path["past_items"] else ""
    return f"{path['entity']} ({path['relation']}){past}"


def _neighbors(weights: np.ndarray, relation: np.ndarray, tail: np.ndarray) -> Neighbors:
    """What one item reads; places without a neighbor have no weight."""
    found: Neighbors = {}
    for place in np.argsort(-weights, kind="stable"):
        if weights[place] > 0:
            found.setdefault(int(tail[place]), []).append(int(relation[place]))
    return found


def _title(recommender: CatalogAnswers, names: GraphNames, entity: int) -> str:
    known = entity < len(recommender.items)
    return str(recommender.titles[entity]) if known else names.entities[entity]


def _path(
    recommender: CatalogAnswers,
    names: GraphNames,
    item: int,
    entity: str,
    relations: list[int],
    via: Neighbors,
) -> str:
    """From the first past item over the entity to the item, or from the item to its neighbor."""
    title = str(recommender.titles[item])
    if not via:
        return f"{title} {names.arrow(relations[0])} {entity}"
    first, read = next(iter(via.items()))
    start = f"{recommender.titles[first]} {names.arrow(read[0])} {entity}"
    return f"{start} {names.arrow(relations[0], backwards=True)} {title}"
