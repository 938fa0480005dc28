"""Help texts: options under headings, defaults in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click


class WordedOption(click.Option):
    """An option whose default may be shown in words, which click would put in parentheses."""

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        """Returns the option and its help."""
        record = super().get_help_record(ctx)
        if record is None or not isinstance(self.show_default, str):
            return record
        names, text = record
        worded = text.replace(f"default: ({self.show_default})", f"default: {self.show_default}")
        return names, worded


class SectionedCommand(click.Command):
    """A command whose help lists its options by sections.

    Args:
        sections: Heading → names of parameters, in the order of the help. Options that no section
            names come last, under "Options".
        **attributes: As of `click.Command`.
    """

    def __init__(self, *, sections: Mapping[str, list[str]], **attributes: Any) -> None:
        super().__init__(**attributes)
        self.sections = sections

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Writes the sections."""
        options = [one for one in self.get_params(ctx) if isinstance(one, click.Option)]
        records = {one.name: one.get_help_record(ctx) for one in options}
        of_sections = {name for names in self.sections.values() for name in names}
        others = [name or "" for name in records if name not in of_sections]
        for heading, names in {**self.sections, "Options": others}.items():
            if rows := [row for name in names if (row := records.get(name)) is not None]:
                with formatter.section(heading):
                    formatter.write_dl(rows)
