"""Made-up data of any size whose signal is known: topics, popularity, drift and words."""

from __future__ import annotations

import numpy as np
import pandas as pd

from tfrec_fusion.data.tables.rec_data import RecData
from tfrec_fusion.errors import InvalidInput

MIN_EVENTS = 5
START = 1_420_070_400  # 2015-01-01 UTC
SPAN = 3 * 365 * 86_400  # seconds between the first event there can be and the last
TIE_SHARE = 0.3  # of events carry the timestamp of the user's previous one
WORDS_A_TOPIC = 12
COMMON_WORDS = 60
WORDS_A_TEXT = 10
ROUNDS = 30
CONSONANTS, VOWELS = "bdfgklmnprstvz", "aeiou"


def generate(
    num_users: int,
    num_items: int,
    num_interactions: int,
    *,
    seed: int = 0,
    num_topics: int | None = None,
    focus: float = 0.8,
    with_users: bool = False,
    with_graph: bool = False,
) -> RecData:
    """Generates tables with a planted signal; the same arguments give the same tables.

    Every item has a topic (its `genres`) and a popularity of a power law. Every user has two
    favorite topics: a share `focus` of the events falls on them, drifting from the first to
    the second with time; the others go by popularity alone. Ratings are 1 to 5, higher on the
    favorites. Titles and texts are made of the topic's own words among common ones, so content
    finds items of the same topic. No user meets an item twice; every user has at least 5
    events when there are enough; some events tie in time.

    Args:
        num_users: Users, with ids such as `u007`.
        num_items: Items, with ids such as `i0042`.
        num_interactions: Events, at most `num_users * num_items`.
        seed: Of everything that is drawn.
        num_topics: Topics; by default half the root of `num_items`, between 2 and 50.
        focus: Share of events on the favorite topics, 0 to 1; 0 plants popularity alone.
        with_users: Adds a table of users with `age` and `segment`, their first favorite.
        with_graph: Adds triples item-genre-topic and item-maker-maker, makers being faithful to
            one topic, and the items' `entity_id`.

    Raises:
        ValueError: When a size is not positive, there are more interactions than pairs, or
            `focus` is outside 0 to 1.

    Example:
    >>> generate(20, 30, 200, seed=1)
    RecData(synthetic: 200 interactions, 20 users, 30 items)
    """
    _check(num_users, num_items, num_interactions, num_topics, focus)
    rng = np.random.default_rng(seed)
    topics = num_topics or int(np.clip(num_items**0.5 / 2, 2, 50))
    topics = min(topics, num_items)
    item_topic = rng.permutation(np.arange(num_items) % topics)  # (num_items,) no topic is empty
    popularity = 1.0 / (rng.permutation(num_items) + 1 + num_items / 50)
    favorites = rng.integers(0, topics, (num_users, 2))
    counts = _event_counts(rng, num_users, num_items, num_interactions)
    user = np.repeat(np.arange(num_users), counts)  # (num_interactions,) in each user's order
    position = (np.arange(len(user)) - np.repeat(np.cumsum(counts) - counts, counts) + 0.5) / (
        np.repeat(counts, counts)
    )
    item = _distinct_items(rng, user, position, favorites, item_topic, popularity, focus)
    liked = (item_topic[item, None] == favorites[user]).any(1)
    quality = rng.normal(0, 0.5, num_items)
    rating = 2.4 + 1.7 * liked + quality[item] + rng.normal(0, 0.6, len(user))
    user_ids, item_ids = _ids("u", num_users), _ids("i", num_items)
    interactions = pd.DataFrame(
        {
            "user_id": user_ids[user],
            "item_id": item_ids[item],
            "rating": np.clip(np.rint(rating), 1, 5).astype(np.float32),
            "timestamp": _timestamps(rng, user, counts),
        }
    ).sort_values("timestamp", kind="stable")
    items = _items(rng, item_ids, item_topic, topics)
    names = np.array([f"topic-{topic:02d}" for topic in range(topics)])
    users = graph = None
    if with_users:
        age = rng.integers(18, 70, num_users)
        users = pd.DataFrame({"user_id": user_ids, "age": age, "segment": names[favorites[:, 0]]})
    if with_graph:
        items["entity_id"] = "item." + items["item_id"]
        graph = _graph(rng, items, item_topic)
    return RecData(interactions, items, users, graph, "synthetic", "public domain (made up)")


def _check(
    num_users: int, num_items: int, num_interactions: int, num_topics: int | None, focus: float
) -> None:
    sizes = {"num_users": num_users, "num_items": num_items, "num_interactions": num_interactions}
    if num_topics is not None:
        sizes["num_topics"] = num_topics
    for name, size in sizes.items():
        if size < 1:
            raise InvalidInput(f"`{name}` must be at least 1. Received: {name}={size}.")
    if num_interactions > num_users * num_items:
        raise InvalidInput(
            "`num_interactions` must be at most num_users * num_items, as no user meets an item "
            f"twice. Received: {num_interactions} > {num_users} * {num_items}."
        )
    if not 0 <= focus <= 1:
        raise InvalidInput(f"`focus` must be between 0 and 1. Received: focus={focus}.")


def _ids(prefix: str, count: int) -> np.ndarray:
    width = len(str(count))
    return np.array([f"{prefix}{n:0{width}d}" for n in range(1, count + 1)], dtype=object)


def _event_counts(
    rng: np.random.Generator, num_users: int, num_items: int, num_interactions: int
) -> np.ndarray:
    """`(num_users,)` events a user, skewed, each within `num_items`, summing as asked."""
    floor = min(MIN_EVENTS, num_interactions // num_users, num_items)
    counts = np.full(num_users, floor)
    activity = rng.lognormal(0.0, 1.0, num_users)
    while left := num_interactions - int(counts.sum()):
        open_to_more = np.where(counts < num_items, activity, 0.0)
        counts += rng.multinomial(left, open_to_more / open_to_more.sum())
        counts = np.minimum(counts, num_items)
    return counts


def _distinct_items(
    rng: np.random.Generator,
    user: np.ndarray,
    position: np.ndarray,
    favorites: np.ndarray,
    item_topic: np.ndarray,
    popularity: np.ndarray,
    focus: float,
) -> np.ndarray:
    """`(num_interactions,)` items, none twice for a user: drawn, and redrawn where repeated."""
    num_items = len(popularity)
    by_topic = np.argsort(item_topic, kind="stable")
    cumulative = np.concatenate([[0.0], np.cumsum(popularity[by_topic])])
    starts = np.searchsorted(item_topic[by_topic], np.arange(item_topic.max() + 2))
    item = np.zeros(len(user), np.int64)
    open_rows = np.arange(len(user))
    for _ in range(ROUNDS):
        second = rng.random(len(open_rows)) < position[open_rows]
        topic = favorites[user[open_rows], second.astype(int)]
        focused = rng.random(len(open_rows)) < focus
        low = np.where(focused, cumulative[starts[topic]], 0.0)
        high = np.where(focused, cumulative[starts[topic + 1]], cumulative[-1])
        drawn = low + (high - low) * rng.random(len(open_rows))
        place = np.searchsorted(cumulative, drawn, "right")
        item[open_rows] = by_topic[np.minimum(place, num_items) - 1]
        repeated = np.ones(len(user), bool)
        repeated[np.unique(user * num_items + item, return_index=True)[1]] = False
        open_rows = np.flatnonzero(repeated)
        if not len(open_rows):
            return item
    for one in np.unique(user[open_rows]):  # the few who know nearly all of their topics
        rows = open_rows[user[open_rows] == one]
        known = np.setdiff1d(np.flatnonzero(user == one), rows)
        unknown = np.setdiff1d(np.arange(num_items), item[known])
        chance = popularity[unknown] / popularity[unknown].sum()
        item[rows] = rng.choice(unknown, len(rows), replace=False, p=chance)
    return item


def _timestamps(rng: np.random.Generator, user: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """`(num_interactions,)` int64 seconds, growing for each user, with ties."""
    gap = rng.exponential(1.0, len(user)) * (rng.random(len(user)) >= TIE_SHARE)
    elapsed = np.cumsum(gap)
    first = np.cumsum(counts) - counts
    last = np.maximum(np.cumsum(counts) - 1, 0)
    begin = elapsed[np.minimum(first, len(user) - 1)]
    whole = np.maximum(elapsed[last] - begin, 1e-9)
    joined, stay = rng.random(len(counts)) * 0.5, 0.1 + rng.random(len(counts)) * 0.4
    share = np.clip((elapsed - begin[user]) / whole[user], 0, 1)
    return (START + SPAN * (joined[user] + stay[user] * share)).astype(np.int64)


def _words(count: int) -> list[str]:
    """Distinct words one can pronounce."""
    syllables = [consonant + vowel for vowel in VOWELS for consonant in CONSONANTS]
    base = len(syllables)
    places = [(n % base, (n // base + n) % base, (n // base**2 + n) % base) for n in range(count)]
    return ["".join(syllables[place] for place in three) for three in places]


def _items(
    rng: np.random.Generator, item_ids: np.ndarray, item_topic: np.ndarray, topics: int
) -> pd.DataFrame:
    """Titles of two words of the topic; texts of which seven words in ten are the topic's."""
    words = np.array(_words(COMMON_WORDS + topics * WORDS_A_TOPIC), dtype=object)
    shape = (len(item_ids), WORDS_A_TEXT)
    own = COMMON_WORDS + item_topic[:, None] * WORDS_A_TOPIC + rng.integers(0, WORDS_A_TOPIC, shape)
    common = rng.integers(0, COMMON_WORDS, shape)
    chosen = np.where(rng.random(shape) < 0.7, own, common)
    title = [
        f"{first.capitalize()} {second} {number}"
        for number, (first, second) in enumerate(words[own[:, :2]], 1)
    ]
    text = [f"{' '.join(row)}." for row in words[chosen]]
    genres = [f"topic-{topic:02d}" for topic in item_topic]
    return pd.DataFrame({"item_id": item_ids, "title": title, "text": text, "genres": genres})


def _graph(rng: np.random.Generator, items: pd.DataFrame, item_topic: np.ndarray) -> pd.DataFrame:
    maker = rng.integers(0, max(1, len(items) // 100) + 1, len(items))
    makers = [f"maker.{topic}.{n}" for topic, n in zip(item_topic, maker, strict=True)]
    parts = [("genre", "topic." + items["genres"]), ("maker", pd.Series(makers, dtype=str))]
    return pd.concat(
        [
            pd.DataFrame({"head_id": items["entity_id"], "relation_id": relation, "tail_id": tail})
            for relation, tail in parts
        ],
        ignore_index=True,
    )
