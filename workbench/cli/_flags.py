"""Words that Typer would refuse without the next command to type, or in another sense."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import typer
from typer.main import get_command

from workbench.cli._lists import NAMES
from workbench.errors import UnknownName, UsageError
from workbench.plugin.registry import registry

HELP = ("--help", "-h")
EXAMPLES = {  # of each command that needs a word
    "info": "mlw info protonet",
    "train": "mlw train protonet --on omniglot",
    "eval": "mlw eval runs",
    "check": "mlw check protonet",
    "compare": "mlw compare protonet maml --shots 1 5",
    "tune": "mlw tune maml --on omniglot --trials 20",
    "recommend": "mlw recommend photos/birds",
    "predict": "mlw predict RUN --support birds/known --query birds/new",
}


@dataclass
class _Words:
    """The words of a command line after its command, by what they are."""

    names: list[str] = field(default_factory=list)  # arguments without a flag
    listed: dict[str, list[str]] = field(default_factory=dict)  # values by flag
    unknown: tuple[str, str | None] | None = None  # the first unknown flag, and its value
    without_value: str = ""  # the last flag, if its value is missing


def check_words(app: typer.Typer, words: Sequence[str]) -> None:
    """Check the words of a command line, after `widen`, before Typer reads them.

    Raises:
        UsageError: a command or flag is unknown, a value or name is missing, there is one word too
            many, or a list took the names that belong to the command.
    """
    _check_command(app, words)
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
    if read.without_value:
        raise UsageError(f"{read.without_value} needs a value; see mlw {name} --help")
    arguments = [each for each in parameters if _is_argument(each)]
    if any(each.required for each in arguments) and not read.names:
        _refuse_swallowed(name, read.listed)
        example = EXAMPLES.get(name, f"mlw {name} --help")
        raise UsageError(f"mlw {name} needs a word more, for instance: {example}")
    endless = any(each.nargs == -1 for each in arguments)
    if len(read.names) > len(arguments) and not endless:
        _refuse_too_many(name, read.names, len(arguments))


def _check_command(app: typer.Typer, words: Sequence[str]) -> None:
    """Raise `UsageError` if the first word is neither a command nor a flag."""
    commands = getattr(get_command(app), "commands", {})
    if words and not words[0].startswith("-") and words[0] not in commands:
        raise UnknownName("command", words[0], commands)


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
        elif flags[flag] and not equals:
            if rest:
                read.listed.setdefault(flag, []).append(rest.pop(0))
            else:
                read.without_value = flag
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


def _refuse_too_many(command: str, names: Sequence[str], taken: int) -> None:
    """Raise `UsageError` for words beyond those that the command takes."""
    if command == "train" and all(_is_algorithm(name) for name in names):
        raise UsageError(
            f"mlw train takes one algorithm; for several: mlw compare {' '.join(names)}"
        )
    if command == "tune" and all(_is_algorithm(name) for name in names):
        raise UsageError(
            "mlw tune takes one algorithm; for several with equal budgets: "
            f"mlw compare {' '.join(names)} --tuned 20"
        )
    if command == "tune":
        more = names[taken:]
        raise UsageError(
            f"mlw tune takes one algorithm and one data set, not also {' '.join(more)}; search on "
            f"each by itself, with the other options: mlw tune {names[0]} --on {more[0]}"
        )
    line = " ".join(["mlw", command, *names[:taken]])
    what = "no word" if not taken else "one word" if taken == 1 else f"{taken} words"
    raise UsageError(
        f"mlw {command} takes {what}, not also {' '.join(names[taken:])}; without the rest: {line}"
    )


def _is_algorithm(word: str) -> bool:
    name = word.partition(":")[0]
    return registry().knows("algorithms", name)
