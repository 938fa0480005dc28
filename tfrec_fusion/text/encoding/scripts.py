"""Scripts written without spaces between words: their texts become overlapping pairs of characters.

Chinese, Japanese, Thai, Lao, Khmer and Burmese mark no words. Pairs of neighboring characters find
most words of two characters as they are, and longer ones as several pairs that stand together
(the bigrams of Lucene's CJKAnalyzer). Signs that combine with a letter, such as vowels and tones
of Thai and Hindi, stay with it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from itertools import pairwise

_TOGETHER = (  # scripts that make words with one another
    "\u3005-\u3007\u3021-\u3029\u3031-\u3035\u3038-\u303c\u3041-\u3096\u309d-\u309f\u30a1-\u30fa"
    "\u30fc-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff66-\uff9f"
    "\U0001b000-\U0001b16f\U00020000-\U0003fffd",  # Han, Hiragana, Katakana
    "\u0e01-\u0e30\u0e32\u0e33\u0e40-\u0e46",  # Thai
    "\u0e81-\u0eb0\u0eb2\u0eb3\u0ebd-\u0ec6\u0edc-\u0edf",  # Lao
    "\u1780-\u17b3\u17d7\u17dc",  # Khmer
    "\u1000-\u102a\u103f\u1050-\u1055\u105a-\u105d\u1061\u1065\u1066\u106e-\u1070\u1075-\u1081"
    "\u108e\ua9e0-\ua9ef\ua9fa-\ua9fe\uaa60-\uaa7a",  # Myanmar
)


def _combining() -> str:
    """Signs that belong to the letter before them, as ranges of a class of characters.

    Joiners count, which shape letters inside words of Hindi and Persian; selectors of the form of
    a picture do not.
    """
    ranges: list[list[int]] = []
    for code in range(0x300, 0x12000):  # beyond are scripts of old inscriptions, and pictures
        sign = unicodedata.category(chr(code)) in ("Mn", "Mc") and not 0xFE00 <= code <= 0xFE0F
        if not (sign or code in (0x200C, 0x200D)):
            continue
        if ranges and ranges[-1][1] == code - 1:
            ranges[-1][1] = code
        else:
            ranges.append([code, code])
    return "".join(f"{chr(first)}-{chr(last)}" for first, last in ranges)


COMBINING = _combining()
_RUN = re.compile("|".join(f"([{letters}][{letters}{COMBINING}]*)" for letters in _TOGETHER))
_CHARACTER = re.compile(f".[{COMBINING}]*", re.DOTALL)


def pieces(word: str) -> list[str]:
    """The words and pairs of characters in what stands between spaces.

    Args:
        word: Letters, digits and signs that combine with them.

    Returns:
        The word, where its script has spaces; of other scripts each pair of neighboring
        characters, one that stands alone as it is.

    Example:

    >>> pieces("strap"), pieces("人工智能"), pieces("5G手机")
    (['strap'], ['人工', '工智', '智能'], ['5G', '手机'])
    """
    if word.isascii() or not _RUN.search(word):
        return [word]
    found: list[str] = []
    end = 0
    for run in _RUN.finditer(word):
        found += filter(None, [word[end : run.start()].strip("-'")])
        characters = _CHARACTER.findall(run.group())
        found += map("".join, pairwise(characters)) if characters[1:] else characters
        end = run.end()
    return [*found, *filter(None, [word[end:].strip("-'")])]


def is_unsegmented(word: str) -> bool:
    """Whether a word begins with a letter of a script without spaces.

    Example:

    >>> is_unsegmented("手机"), is_unsegmented("strap")
    (True, False)
    """
    return not word.isascii() and _RUN.match(word) is not None


def written_together(words: Sequence[str]) -> str:
    """Words as they stand in a text: with spaces, pairs of characters put together again.

    Example:

    >>> written_together(["人工", "工智", "智能"]), written_together(["guitar", "strap"])
    ('人工智能', 'guitar strap')
    """
    joined, last = "", ""
    for word in words:
        characters = _CHARACTER.findall(last)
        if len(characters) > 1 and is_unsegmented(last) and word.startswith(characters[-1]):
            joined += word[len(characters[-1]) :] if is_unsegmented(word) else f" {word}"
        else:
            joined += f" {word}" if joined else word
        last = word
    return joined
