"""What a user says about the layout of a folder, where the folder alone does not tell."""

from __future__ import annotations

import re
import shlex
from typing import NamedTuple

from workbench.errors import UsageError

NONE = "none"
LEVELS = re.compile(r"[1-9][0-9]*(,[1-9][0-9]*)*")
FLAGS = {  # the option of the command line for each field
    "label": "--label",
    "level": "--level",
    "split_from": "--split-from",
    "group_from": "--group-from",
    "only": "--only",
}


class LayoutChoice(NamedTuple):
    """What the user says about a layout. What is empty is found out, or asked.

    Levels of folders are counted below the deepest folder that has all images, from 1.
    """

    label: str = ""  # the column of the label; in a table without a header, its number
    level: str = ""  # the levels that name the class: "2", or "1,2" for the path of both
    split_from: str = ""  # the column or the level that names the split, or "none"
    group_from: str = ""  # the column or the level that names the group of a class, or "none"
    only: str = ""  # a folder, or a pattern of file names with *: other images are ignored

    @property
    def levels(self) -> tuple[int, ...]:
        """The levels that name the class."""
        return tuple(int(level) for level in self.level.split(",") if level)

    @property
    def flags(self) -> list[str]:
        """The same as options of the command line, each in one piece."""
        flags = []
        for field, flag in FLAGS.items():
            value = getattr(self, field)
            if value:
                flags.append(f"{flag} {shlex.quote(value)}")
        return flags

    def check(self) -> None:
        """Raise `UsageError` for values that cannot be meant."""
        if self.level and not LEVELS.fullmatch(self.level):
            raise UsageError(
                f"Invalid value --level {self.level}: must be the number of a folder level, "
                "for instance 1, or several, for instance 1,2"
            )
        if self.level and self.label:
            raise UsageError(
                "--label takes the classes from a table and --level from folders; give one of them"
            )


def level_of(text: str) -> int:
    """Return the folder level that a value names; 0 if it is no level."""
    if LEVELS.fullmatch(text) and "," not in text:
        return int(text)
    return 0


def is_pattern(only: str) -> bool:
    """Return whether a value of `--only` is a pattern of file names, not the name of a folder."""
    return "*" in only
