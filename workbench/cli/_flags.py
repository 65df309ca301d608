"""Words that Typer would refuse with a sentence about something else: unknown flags, lost names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import typer
from typer.main import get_command

from workbench.cli._lists import NAMES
from workbench.errors import UsageError
from workbench.plugin.registry import registry

HELP = ("--help", "-h")


@dataclass
class _Words:
    """The words of a command line after its command, by what they are."""

    names: list[str] = field(default_factory=list)  # arguments without a flag
    listed: dict[str, list[str]] = field(default_factory=dict)  # values by flag
    unknown: tuple[str, str | None] | None = None  # the first unknown flag, and its value


def check_words(app: typer.Typer, words: Sequence[str]) -> None:
    """Check the words of a command line, after `widen`, before Typer reads them.

    Raises:
        UsageError: a flag is unknown, or a list took the names that belong to the command.
    """
    command = _command(app, words)
    if command is None or any(word in HELP for word in words):
        return
    name, parameters = command
    flags = _flags(parameters)
    read = _read(words[words.index(name) + 1 :], flags)
    algorithms = [word for word in read.names if _is_algorithm(word)]
    if read.unknown is not None:
        flag, value = read.unknown
        raise _unknown(flag, value, flags, algorithms)
    missing = [each for each in parameters if _is_argument(each) and each.required]
    if missing and not read.names:
        _refuse_swallowed(name, read.listed)


def _command(app: typer.Typer, words: Sequence[str]) -> tuple[str, Sequence[Any]] | None:
    """Return the name of the command and its parameters; None for a word that is none."""
    first = next((word for word in words if not word.startswith("-")), "")
    found = getattr(get_command(app), "commands", {}).get(first)
    if found is None or hasattr(found, "commands") or found.ignore_unknown_options:
        return None  # what a plugin's command does with its words is its own
    return first, found.params


def _is_argument(parameter: Any) -> bool:
    return bool(parameter.param_type_name == "argument")


def _flags(parameters: Iterable[Any]) -> dict[str, bool]:
    """Return whether each flag takes a value."""
    flags = {}
    for parameter in parameters:
        if not _is_argument(parameter):
            for flag in (*parameter.opts, *parameter.secondary_opts):
                flags[flag] = not parameter.is_flag
    return flags


def _read(words: Sequence[str], flags: Mapping[str, bool]) -> _Words:
    read = _Words()
    rest = list(words)
    while rest:
        word = rest.pop(0)
        if word == "--":
            read.names += rest
            break
        flag, equals, value = word.partition("=")
        if not word.startswith("-") or word == "-":
            read.names.append(word)
        elif flag not in flags:
            given = value if equals else next(iter(rest), None)
            if given is not None and given.startswith("-"):
                given = None
            read.unknown = read.unknown or (flag, given)
        elif flags[flag] and not equals and rest:
            read.listed.setdefault(flag, []).append(rest.pop(0))
    return read


def _unknown(
    flag: str, value: str | None, flags: Iterable[str], algorithms: Iterable[str]
) -> UsageError:
    from workbench.commands.unknown import unknown_argument

    name = flag.lstrip("-").replace("-", "_")
    return unknown_argument(name, value, sorted({*flags, "--help"}), algorithms)


def _refuse_swallowed(command: str, listed: Mapping[str, list[str]]) -> None:
    """Raise `UsageError` if a list of names has taken those that the command needs."""
    for flag in NAMES.get(command, set()) & listed.keys():
        values = listed[flag]
        if command == "eval":
            lost = [value for value in values if Path(value).is_dir()]
            what = "folders"
        else:
            lost = [value for value in values if _is_algorithm(value)]
            what = "algorithms"
        if lost:
            kept = [value for value in values if value not in lost]
            line = ["mlw", command, *lost]
            if kept:
                line += [flag, *kept]
            raise UsageError(
                f"{flag} took {' '.join(lost)}, for it takes all words up to the next flag; put "
                f"the {what} before it: {' '.join(line)}"
            )


def _is_algorithm(word: str) -> bool:
    name = word.partition(":")[0]
    return registry().knows("algorithms", name)
