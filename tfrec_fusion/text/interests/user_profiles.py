"""What is known of each user as one text, and which words users and items are spoken of with."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from tfrec_fusion.errors import InvalidInput
from tfrec_fusion.text.interests.user_words import user_words
from tfrec_fusion.text.interests.words import terms

DEFAULT_PROFILE = "A person of whom nothing is known yet."
_PHRASES = 8
_WRITTEN = 200  # characters of what was written last


def profile_texts(events: Any, item_texts: Iterable[str], users: Any = None) -> list[str]:
    """A text for every user: attributes, interests, and the beginning of their last review.

    Args:
        events: What users did, and wrote (`data.events.Events`); training events only, where
            something is then measured.
        item_texts: One text an item index.
        users: The users' attributes in index order, a DataFrame with `user_id`, whose first row is
            user index 1; None where there are none.

    Returns:
        `num_users` texts. Who is known by nothing has `DEFAULT_PROFILE`, as has the unseen user.
    """
    texts = [str(text) for text in item_texts]
    interests = user_words(events, texts) if any(text.strip() for text in texts) else None
    written = _last_written(events)
    profiles = [DEFAULT_PROFILE]
    for user in range(1, events.num_users):
        parts = []
        if users is not None:
            row = users.iloc[user - 1].drop("user_id").dropna()
            parts += [f"{name}: {value}" for name, value in row.items() if str(value).strip()]
        phrases = interests.of(user)[:_PHRASES] if interests is not None else []
        if phrases:
            parts.append("cares about: " + ", ".join(one.text for one in phrases))
        if written[user]:
            parts.append("wrote: " + written[user][:_WRITTEN])
        profiles.append(". ".join(parts) if parts else DEFAULT_PROFILE)
    return profiles


def spoken_words(
    events: Any, item_texts: Iterable[str], num_words: int = 256
) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Which frequent words items, and users, are spoken of with: targets of their tasks.

    An item's words are those of its text and of its reviews, a user's those of their reviews and
    of their items' texts. English stop words are left out (scikit-learn's list).

    Args:
        events: What users did, and wrote (`data.events.Events`).
        item_texts: One text an item index.
        num_words: How many words, the most frequent.

    Returns:
        `(num_items, words)` and `(num_users, words)` float32 of 0 and 1, and the words.

    Raises:
        ValueError: When there is no word.
    """
    from sklearn.feature_extraction.text import CountVectorizer

    own = [str(text) for text in item_texts]
    reviews = [""] * len(events) if events.text is None else [str(text) for text in events.text]
    of_items: list[list[str]] = [[text] for text in own]
    of_users: list[list[str]] = [[] for _ in range(events.num_users)]
    for user, item, review in zip(events.user, events.item, reviews, strict=True):
        of_items[item].append(review)
        of_users[user] += [review, own[item]]
    documents = [" ".join(parts) for parts in (*of_items, *of_users)]
    counter = CountVectorizer(
        binary=True,
        tokenizer=terms,
        token_pattern=None,
        stop_words="english",
        max_features=num_words,
        min_df=2,
        dtype=np.float32,
    )
    try:
        counts = counter.fit_transform(documents).toarray()
    except ValueError as error:
        raise InvalidInput(
            "Texts or reviews must hold words that occur twice, for profiles and semantics to be "
            f"learned from. Received: {len(own) - 1} items and {len(events)} events without."
        ) from error
    return counts[: len(own)], counts[len(own) :], counter.get_feature_names_out().tolist()


def _last_written(events: Any) -> Sequence[str]:
    """The latest text of each user, "" where there is none."""
    last = [""] * events.num_users
    if events.text is not None:
        for user, text in zip(events.user, events.text, strict=True):  # in order of time
            last[user] = str(text).strip() or last[user]
    return last
