"""Users and items that a command is asked about, as they are typed."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tfrec_fusion.errors import InvalidInput
from tfrec_fusion.zoo.cli.text_files import lines_of

if TYPE_CHECKING:
    import pandas as pd


def asked_users(user_ids: tuple[str, ...], file: Path | None) -> list[str]:
    """Returns the users of `--user-id` and of a file, each once.

    Args:
        user_ids: Values of `--user-id`.
        file: A UTF-8 file with an id in each line, below the heading `user_id` where it has one.

    Raises:
        NotFound: When there is no such file.
        InvalidInput: When it has no ids, or is not UTF-8.
    """
    found = list(user_ids)
    if file is not None:
        lines = [line.strip() for line in lines_of(file, "--user-ids")]
        ids = [line for line in lines[lines[:1] == ["user_id"] :] if line]
        if not ids:
            raise InvalidInput(f"--user-ids {file} has no ids. Write one in each line.")
        found += ids
    return list(dict.fromkeys(found))


def asked_items(given: Iterable[str], option: str, known: Collection[str]) -> list[str]:
    """Returns items that were typed, of which ids may be joined by commas.

    A text is one item where it is an id or a title of the catalog, or where its commas are followed
    by blanks, as in "Matrix, The (1999)"; ids may have blanks after the commas nevertheless.

    Args:
        given: Values of the option.
        option: The option, for the messages.
        known: Ids and titles of the catalog.

    Raises:
        UsageError: When a part is empty.

    Example:

    >>> asked_items(["1,50", "Toy Story (1995)", "Heat, The"], "--history", {"1", "50", "Heat"})
    ['1', '50', 'Toy Story (1995)', 'Heat, The']
    """
    found: list[str] = []
    for text in given:
        whole, parts = text.strip(), [part.strip() for part in text.split(",")]
        if _is_known(whole, known):
            found.append(whole)
            continue
        if not all(parts):
            raise click.UsageError(
                f"{option} must be an item's id or title, or ids joined by commas, such as "
                f"1,50,181. Received: {text!r}{'' if any(parts) else ', which is empty'}."
            )
        joined = re.search(r",(?!\s)", text) or all(_is_known(part, known) for part in parts)
        found += parts if joined else [whole]
    return found


def _is_known(text: str, known: Collection[str]) -> bool:
    from tfrec_fusion.ids import id_text

    return text in known or (bool(text) and id_text(text) in known)


def asked_filters(
    exclude: tuple[str, ...],
    allow: tuple[str, ...],
    where: tuple[tuple[str, str], ...],
    known: Collection[str],
) -> dict[str, Any]:
    """Returns the keywords `exclude`, `allow` and `where` of a recommender.

    Args:
        exclude: Values of `--exclude`.
        allow: Values of `--allow`.
        where: Values of `--where`.
        known: As of `asked_items`.
    """
    values: dict[str, list[str]] = {}
    for column, value in where:
        values.setdefault(column, []).append(value)
    return {
        "exclude": asked_items(exclude, "--exclude", known),
        "allow": asked_items(allow, "--allow", known) if allow else None,
        "where": values or None,
    }


def known_names(items: pd.DataFrame) -> set[str]:
    """Returns the ids and titles of a catalog with the columns `item_id` and `title`."""
    return {*items["item_id"].astype(str), *items["title"].astype(str)}
