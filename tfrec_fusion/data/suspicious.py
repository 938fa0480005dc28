"""Items whose events come from few, new profiles that are alike: a sign of made-up profiles.

Profiles that push an item (shilling: Lam and Riedl 2004; O'Mahony et al. 2004) come in a burst, and
profiles of one maker resemble each other more than those of other people of that time (Burke et
al. 2006, "degree of similarity"). An item is reported when more than half of its users

* started together: so many among so few users by chance has a probability below `MAX_CHANCE`, and
  their first events lie within a week, or within `MAX_SHARE_OF_TIME` of the time covered;
* are few: at most `MAX_SHARE_OF_USERS` of all, at least `MIN_PROFILES`;
* are alike: the mean cosine of their profiles, the item left out, is `MIN_LIKENESS` or more, and
  `MIN_LIFT` times that of others who started at that time.

Profiles filled with items at random are not alike and are not found; nor are those that come
slowly, nor a few among many who have the item. What is found may be honest: a class, a club, a
campaign. Thresholds and rates are measured by `benchmarks/fake_profiles.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
import scipy.sparse as sp
from scipy.special import gammaln

from tfrec_fusion.data.events import Events
from tfrec_fusion.data.indexed import IndexedData
from tfrec_fusion.data.tables.timestamps import EARLIEST

MIN_PROFILES = 3
MAX_SHARE_OF_USERS = 0.1
MAX_CHANCE = 1e-3
MAX_SHARE_OF_TIME = 0.01
MIN_LIKENESS, MIN_LIFT = 0.4, 2.0
WEEK = 7 * 24 * 3600
_SHARES = (0.75, 1.0)  # of an item's users, besides just more than half
_MOST_EXAMINED, _MOST_COMPARED = 1000, 50  # bursts, those least by chance first; profiles of one


@dataclass(frozen=True, eq=False)
class SuspiciousItem:
    """An item that most of its users came for together.

    Attributes:
        item: Its index.
        num_users: Users who have it.
        users: Indices of those who started together, in order of their first events.
        likeness: Mean cosine of the profiles of most of them, the item left out.
        usual_likeness: That of others who started at that time.
        start: When the first of them started, in seconds.
        end: When the last of them did.
    """

    item: int
    num_users: int
    users: np.ndarray
    likeness: float
    usual_likeness: float
    start: int
    end: int


def suspicious_items(events: Events) -> list[SuspiciousItem]:
    """Finds items whose events come from few, new profiles that are alike.

    One sort of the events, and comparisons of at most 50 profiles for each of at most 1,000 bursts.

    Args:
        events: All of them; those of index 0 are left out. Without times, or with the bare order of
            events in their place, nothing is found.

    Returns:
        The items, those with the most alike profiles first.
    """
    real = (events.user > 0) & (events.item > 0)
    if not real.any() or events.timestamp[real].max() < EARLIEST:
        return []
    table = _Table(events, real)
    found = [table.examined(*burst) for burst in table.bursts().tolist()]
    return sorted(filter(None, found), key=lambda one: -one.likeness)


def audit(data: IndexedData) -> dict[str, Any]:
    """Describes the suspicious items of a data set, for `run.json`; no user is named.

    Returns:
        `profiles`, how many there are of them together, and `items`, a row each; nothing where no
        item is suspicious.
    """
    found = suspicious_items(data.everything)
    if not found:
        return {}
    titles = data.titles
    rows = [
        {
            "item_id": str(data.items.ids[one.item]),
            "title": str(titles[one.item]),
            "users": one.num_users,
            "together": len(one.users),
            "likeness": round(one.likeness, 3),
            "usual_likeness": round(one.usual_likeness, 3),
            "first": _day(one.start),
            "last": _day(one.end),
        }
        for one in found
    ]
    profiles = len(np.unique(np.concatenate([one.users for one in found])))
    return {"profiles": profiles, "items": rows}


def audit_note(found: dict[str, Any]) -> str:
    """A line on what `audit` found; "" where it found nothing."""
    if not found:
        return ""
    number, first = len(found["items"]), found["items"][0]
    items = f"{number:,} items get most of their" if number > 1 else "1 item gets most of its"
    return (
        f"{items} events from {found['profiles']:,} profiles that started together and are alike, "
        f"such as {first['title']}: see report.html, and `suspicious` in run.json. Nothing was "
        "dropped."
    )


def audit_lines(found: dict[str, Any], most: int = 20) -> list[str]:
    """A line an item, for a report."""
    rows = found.get("items", [])
    lines = [
        f"Suspicious: {row['title']} ({row['item_id']}): {row['together']:,} of its "
        f"{row['users']:,} users started between {row['first']} and {row['last']}; the mean cosine "
        f"of their profiles is {row['likeness']:.2f}, that of others who started then "
        f"{row['usual_likeness']:.2f}."
        for row in rows[:most]
    ]
    return lines + ([f"And {len(rows) - most:,} more, see run.json."] if len(rows) > most else [])


def _day(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).date().isoformat()


class _Table:
    """Users by item, in order of their first events."""

    def __init__(self, events: Events, real: np.ndarray) -> None:
        never = np.iinfo(np.int64).max
        self.start = np.full(events.num_users, never)
        np.minimum.at(self.start, events.user[real], events.timestamp[real])
        self.order = np.argsort(self.start, kind="stable")[: int((self.start < never).sum())]
        rank = np.zeros(events.num_users, np.int64)
        rank[self.order] = np.arange(len(self.order))
        key = np.unique(events.item[real].astype(np.int64) * events.num_users + events.user[real])
        item, user = key // events.num_users, key % events.num_users
        sorted_pairs = np.lexsort((rank[user], item))
        self.item, self.user = item[sorted_pairs], user[sorted_pairs]
        self.rank = rank[self.user]
        self.splits = np.searchsorted(self.item, np.arange(events.num_items + 1))
        cells = (np.ones(len(key), np.float32), (user, item))
        self.profiles = sp.csr_matrix(cells, shape=(events.num_users, events.num_items))
        times = np.quantile(events.timestamp[real], (0.01, 0.99))  # placeholders are far off
        self.longest = max(WEEK, MAX_SHARE_OF_TIME * float(times[1] - times[0]))

    def bursts(self) -> np.ndarray:
        """`(number, 3)`: items, where in the table the users start that came closest, how many."""
        counts = np.diff(self.splits)
        smallest = np.maximum(MIN_PROFILES, counts // 2 + 1)  # more than half of an item's users
        sizes = [smallest, *(np.maximum(smallest, np.ceil(one * counts)) for one in _SHARES)]
        found = np.concatenate([self._bursts_of(one.astype(np.int64)) for one in sizes])
        found = found[np.lexsort((found[:, 1], found[:, 3]))]  # the least by chance first
        _, best = np.unique(found[:, 0], return_index=True)
        return found[np.sort(best)][:_MOST_EXAMINED, :3].astype(np.int64)

    def _bursts_of(self, sizes: np.ndarray) -> np.ndarray:
        """`(number, 4)`: as `bursts`, for so many users of each item, and their log chance."""
        row = np.arange(len(self.item))
        last = row + sizes[self.item] - 1
        there = last < self.splits[self.item + 1]
        last = np.where(there, last, row)
        span = self.rank[last] - self.rank + 1
        close = self.start[self.user[last]] - self.start[self.user] <= self.longest
        few = sizes <= max(MIN_PROFILES, MAX_SHARE_OF_USERS * len(self.order))
        row = row[there & close & few[self.item]]
        item = self.item[row]
        n, k = np.diff(self.splits)[item], sizes[item]
        # At most n * C(n - 1, k - 1) * share^(k - 1): any of n users, and k - 1 others among the
        # share of all users that starts with that one.
        chance = np.log(n) + gammaln(n) - gammaln(k) - gammaln(n - k + 1)
        chance += (k - 1) * np.log(span[row] / len(self.order))
        found = np.stack([item, row, k, chance], axis=1)
        return found[chance <= np.log(MAX_CHANCE)]

    def examined(self, item: int, first: int, size: int) -> SuspiciousItem | None:
        """The item, if those who started together are more alike than others of that time."""
        everybody = self.user[self.splits[item] : self.splits[item + 1]]
        core = self.user[first : first + size]
        likeness = self._likeness(core, item)
        if likeness < MIN_LIKENESS:
            return None
        # Those who started in between and, where they are few, just before and after.
        low, high = self.rank[first], self.rank[first + size - 1]
        more = max(0, _MOST_COMPARED - (high + 1 - low - size) + 1) // 2
        near = self.order[max(0, low - more) : high + 1 + more]
        usual = self._likeness(near[~np.isin(near, everybody)], item)
        if likeness < MIN_LIFT * usual:
            return None
        starts = self.start[everybody]
        begin = int(self.start[core[0]])
        together = everybody[(starts >= begin) & (starts <= begin + self.longest)]
        end = int(self.start[together[-1]])
        return SuspiciousItem(item, len(everybody), together, likeness, usual, begin, end)

    def _likeness(self, users: np.ndarray, item: int) -> float:
        """Mean cosine of different users' profiles without an item; 0 for fewer than two."""
        if len(users) < 2:
            return 0.0
        some = users[np.unique(np.linspace(0, len(users) - 1, _MOST_COMPARED).astype(int))]
        rows = self.profiles[some]
        own = rows[:, [item]].toarray()  # (users, 1)
        dots = (rows @ rows.T).toarray() - own @ own.T
        length = np.sqrt(np.maximum(np.diag(dots), 1e-9))
        cosines = dots / np.outer(length, length)
        pairs = len(some) * (len(some) - 1)
        return float((cosines.sum() - np.trace(cosines)) / pairs)
