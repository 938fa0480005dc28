"""Users' interests as weighted phrases: kept on disk, read by a query tower, shown as a reason."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tfrec_fusion.errors import InvalidInput
from tfrec_fusion.files.archives import read_arrays
from tfrec_fusion.files.whole import whole_file
from tfrec_fusion.text.interests.words import carries_meaning, is_word, singular, split_words

PARTS = {"start": "i", "phrase": "i", "weight": "f", "sentiment": "f", "support": "i"}


@dataclass(frozen=True)
class Phrase:
    """Something a user cares about.

    Attributes:
        text: The words, in the form most often written, in lower case.
        weight: Its share of the user's interests; a user's weights sum to 1.
        sentiment: How well the user speaks of it, from -1 to 1; 0 is neutral, None not known: no
            ratings to learn from, or the user never wrote of it.
        support: How many texts show it: the user's own, and those of items they liked.
    """

    text: str
    weight: float
    sentiment: float | None
    support: int


@dataclass(frozen=True, eq=False)
class Interests:
    """Every user's phrases, the heaviest first; made by `interests.mine_interests`.

    Attributes:
        phrases: The distinct phrases of all users.
        start: `(num_users + 1,)` int64; those of user u are rows `start[u]` to `start[u + 1]`.
        phrase: `(num_rows,)` int32, indices into `phrases`.
        weight: `(num_rows,)` float32, summing to 1 for a user who has phrases.
        sentiment: `(num_rows,)` float32 from -1 to 1, NaN where not known.
        support: `(num_rows,)` int32, texts that show the phrase.

    Example:
    >>> interests = Interests(("capo", "strap"), np.array([0, 0, 2]), np.array([1, 0]),
    ...     np.array([0.7, 0.3]), np.array([0.5, np.nan]), np.array([3, 1]))
    >>> interests.of(1)[1]
    Phrase(text='capo', weight=0.3, sentiment=None, support=1)
    >>> interests.texts()
    ['', 'strap, capo']
    """

    phrases: tuple[str, ...]
    start: np.ndarray
    phrase: np.ndarray
    weight: np.ndarray
    sentiment: np.ndarray
    support: np.ndarray

    @classmethod
    def none(cls, num_users: int) -> Interests:
        """No phrase for any of the users, the unseen one included."""
        empty = np.zeros(0, np.int32)
        start = np.zeros(num_users + 1, np.int64)
        return cls((), start, empty, empty.astype(np.float32), empty.astype(np.float32), empty)

    @property
    def num_users(self) -> int:
        """Users including the unseen one, 0."""
        return len(self.start) - 1

    def of(self, user_index: int) -> list[Phrase]:
        """A user's phrases, the heaviest first; none for the unseen and those without texts.

        Raises:
            ValueError: When there is no such user.
        """
        return [
            Phrase(
                self.phrases[self.phrase[row]],
                float(self.weight[row]),
                None if math.isnan(self.sentiment[row]) else float(self.sentiment[row]),
                int(self.support[row]),
            )
            for row in self._rows(user_index)
        ]

    def as_text(self, user_index: int) -> str:
        """A user's phrases as one text, the heaviest first: what a text encoder reads.

        Raises:
            ValueError: When there is no such user.
        """
        return ", ".join(self.phrases[self.phrase[row]] for row in self._rows(user_index))

    def texts(self) -> list[str]:
        """`num_users` texts, see `as_text`; "" for who has no phrases."""
        return [self.as_text(user) for user in range(self.num_users)]

    def save(self, path: str | Path) -> None:
        """Writes one `.npz` file, which appears whole or not at all."""
        arrays = {name: getattr(self, name) for name in PARTS}
        with whole_file(path) as file:
            np.savez_compressed(
                file, allow_pickle=False, phrases=np.array(self.phrases, np.str_), **arrays
            )

    @classmethod
    def load(cls, path: str | Path) -> Interests:
        """Reads what `save` wrote.

        Raises:
            FileNotFoundError: When there is no such file.
            ValueError: When the file holds something else.
        """
        try:
            arrays = read_arrays(path)
            phrases = tuple(arrays["phrases"].tolist())
            parts = {name: arrays[name] for name in PARTS}
        except (ValueError, KeyError, TypeError) as error:
            raise InvalidInput(f"{path} does not hold interests: {error}.") from None
        sizes = {parts[name].size for name in PARTS if name != "start"}
        start, phrase = parts["start"], parts["phrase"]
        whole = (
            all(isinstance(one, str) for one in phrases)
            and all(
                part.ndim == 1 and part.dtype.kind == PARTS[name] for name, part in parts.items()
            )
            and len(start) > 0
            and sizes == {int(start[-1])}
            and start[0] == 0
            and (np.diff(start) >= 0).all()
            and np.isfinite(parts["weight"]).all()
            and ((phrase >= 0) & (phrase < len(phrases))).all()
        )
        if not whole:
            raise InvalidInput(f"{path} does not hold interests: its arrays do not fit together.")
        return cls(phrases, **parts)

    def _rows(self, user_index: int) -> range:
        if not 0 <= user_index < self.num_users:
            raise InvalidInput(
                f"`user_index` must be from 0 to {self.num_users - 1}. Received: {user_index}."
            )
        return range(int(self.start[user_index]), int(self.start[user_index + 1]))


def reason(phrases: Sequence[Phrase], item_text: str, max_phrases: int = 3) -> list[Phrase]:
    """Which of a user's phrases an item's text speaks of: why it may be recommended.

    Phrases that occur as they are, singular or plural, come before those whose words all occur
    somewhere; before either what the user speaks well of, or neutrally, comes before what they
    speak ill of; then the heavier comes first.

    Args:
        phrases: `Interests.of(user_index)`.
        item_text: The item's title and description, say.
        max_phrases: How many at most.

    Returns:
        The matching phrases, best first; none when the text speaks of none.

    Raises:
        ValueError: When `item_text` is no string or `max_phrases` is below 1.

    Example:
    >>> liked = [Phrase("leather strap", 0.6, 0.4, 2), Phrase("capos", 0.4, None, 1)]
    >>> [phrase.text for phrase in reason(liked, "A capo in a case of leather, with strap")]
    ['capos', 'leather strap']
    """
    if not isinstance(item_text, str):
        raise InvalidInput(f"`item_text` must be a string. Received: {item_text!r}.")
    if max_phrases < 1:
        raise InvalidInput(f"`max_phrases` must be at least 1. Received: {max_phrases}.")
    tokens = [singular(token) for token in split_words(item_text)]
    words, written = set(tokens), f" {' '.join(tokens)} "
    ranked = []
    for phrase in phrases:
        parts = [singular(token) for token in split_words(phrase.text) if is_word(token)]
        whole = f" {' '.join(parts)} " in written
        telling = [one for one, tells in zip(parts, carries_meaning(parts), strict=True) if tells]
        if whole or (telling and words.issuperset(telling)):
            ill = phrase.sentiment is not None and phrase.sentiment < 0
            ranked.append(((ill, not whole, -phrase.weight, phrase.text), phrase))
    return [phrase for _, phrase in sorted(ranked, key=lambda one: one[0])[:max_phrases]]
