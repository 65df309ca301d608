"""What a shell completes after Tab: names of what plugins register, and their options.

Typer's scripts for the shells call `mlw` with the words of the line in environment variables.
`answer` writes these words as Typer reads them (see `_lists`), and joins what bash takes apart:
for bash, "maml:inner" is three words.
"""

from __future__ import annotations

import io
import os
import shlex
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import redirect_stdout, suppress
from typing import NamedTuple, get_args

import typer

from workbench.cli._lists import widen
from workbench.errors import WorkbenchError
from workbench.plugin.registry import KINDS, Registration, registry
from workbench.plugin.written import WrittenOption, docstring_of, options_in
from workbench.tasks.protocols.names import PROTOCOLS

ASKED = "_MLW_COMPLETE"  # what Typer's scripts set
OWN_FOLDER = "workbench.data.image_folder.dataset:ImageFolder"
BREAKS = ":="  # where bash takes words apart

Found = list[tuple[str, str]]  # completions with a line about each


# --- what is completed


def algorithms(incomplete: str) -> Found:
    """Complete an algorithm with its options and training settings."""
    return list(_specs("algorithms", incomplete))


def backbones(incomplete: str) -> Found:
    """Complete a backbone with its options."""
    return list(_specs("backbones", incomplete))


def datasets(incomplete: str) -> Found:
    """Complete a data set with its options."""
    return list(_specs("datasets", incomplete))


def trackers(incomplete: str) -> Found:
    """Complete a tracker with its options."""
    return list(_specs("trackers", incomplete))


def anything(incomplete: str) -> Found:
    """Complete the name of anything that a plugin registers."""
    return [found for kind in KINDS for found in _specs(kind, incomplete)]


def one_of(*values: str) -> Callable[[str], list[str]]:
    """Return what completes a few fixed words."""

    def complete(incomplete: str) -> list[str]:
        return [value for value in values if value.startswith(incomplete)]

    return complete


protocols = one_of(*PROTOCOLS)


def _specs(kind: str, text: str) -> Iterator[tuple[str, str]]:
    name, colon, options = text.partition(":")
    if not colon:
        for each, about in _named(kind):
            if each.startswith(text):
                yield each, about
        return
    last = options.rpartition(",")[2]
    before = text.removesuffix(last) if last else text
    key, equals, value = last.partition("=")
    for option in _options(kind, name):
        if equals and option.name == key:
            for each in option.values:
                if each.startswith(value):
                    yield f"{before}{key}={each}", option.help
        elif not equals and option.name.startswith(last) and f"{option.name}=" not in options:
            yield f"{before}{option.name}=", option.help


def _named(kind: str) -> Iterator[tuple[str, str]]:
    for name, registration in registry().entries(kind).items():
        yield name, _about(registration)
    if kind == "datasets":
        from workbench.data.image_folder.record import folder_names

        for name in folder_names():
            yield name, "images of your own"


def _about(registration: Registration) -> str:
    with suppress(Exception, SystemExit):  # its module cannot be found
        return docstring_of(registration.target).partition("\n")[0]
    return ""


def _options(kind: str, name: str) -> list[WrittenOption]:
    found = registry().named(kind, name)
    target = found[0].target if found else OWN_FOLDER
    options: list[WrittenOption] = []
    if isinstance(target, str) and (found or kind == "datasets"):
        with suppress(Exception, SystemExit):
            options = options_in(target)
    if kind == "algorithms" and found:
        options += _settings()
    return options


def _settings() -> list[WrittenOption]:
    from workbench.learning.settings import settings_options

    found = []
    for option in settings_options().values():
        values = tuple(value for value in get_args(option.type) if isinstance(value, str))
        found.append(WrittenOption(option.name, option.help, values))
    return found


# --- what a shell asks


class _Line(NamedTuple):
    """A line that a shell asks about."""

    words: list[str]  # before the one to complete, without "mlw"
    incomplete: str
    kept: str = ""  # the beginning of it that bash keeps


def asked() -> bool:
    """Return whether a shell asks for completions."""
    return os.environ.get(ASKED, "").startswith("complete_")


def answer(app: typer.Typer) -> None:
    """Answer a shell, whose question is in the environment, and exit."""
    registry().register_commands(app)
    shell = os.environ[ASKED].partition("_")[2]
    line = _bash_line() if shell == "bash" else _line()
    words = _wide(line)
    os.environ["COMP_WORDS"] = shlex.join(["mlw", *words, line.incomplete])
    os.environ["COMP_CWORD"] = str(len(words) + 1)
    os.environ["_TYPER_COMPLETE_ARGS"] = f"{shlex.join(['mlw', *words])} {line.incomplete}"
    code = 0
    printed = io.StringIO()
    with redirect_stdout(printed):
        try:
            app([], prog_name="mlw", standalone_mode=False)
        except SystemExit as stop:
            code = int(stop.code or 0)
    text = printed.getvalue()
    if line.kept:
        text = "".join(_without(line.kept, text.splitlines(keepends=True)))
    sys.stdout.write(text)
    sys.exit(code)


def _without(kept: str, lines: Iterable[str]) -> list[str]:
    return [line.removeprefix(kept) for line in lines]


def _line() -> _Line:
    """Return the line of zsh, fish or PowerShell."""
    text = os.environ.get("_TYPER_COMPLETE_ARGS", "")
    words = _split(text)[1:]
    if words and not text.endswith(" "):
        return _Line(words[:-1], words[-1])
    return _Line(words, "")


def _split(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError:  # a quote that is open
        return text.split()


def _bash_line() -> _Line:
    """Return the line of bash, whose words are lines."""
    last = int(os.environ["COMP_CWORD"])
    pieces = os.environ["COMP_WORDS"].split("\n")[1 : last + 1]
    words: list[str] = []
    joins = False
    for piece in pieces:
        breaks = bool(piece) and not piece.strip(BREAKS)
        if words and (breaks or joins):
            words[-1] += piece
        else:
            words.append(piece)
        joins = breaks
    if not words:
        return _Line([], "")
    incomplete = words.pop()
    cut = max(incomplete.rfind(mark) for mark in BREAKS) + 1
    return _Line(words, incomplete, incomplete[:cut])


def _wide(line: _Line) -> list[str]:
    """Return the words before the one to complete, a flag before each of a list.

    If the word to complete is of a list, the flag of the list is the last of them.
    """
    words = [word for word in line.words if word not in ("--debug", "--quiet")]
    with suppress(WorkbenchError):  # a list that has no word yet, before another flag
        return widen([*words, line.incomplete or "x"])[:-1]
    return words
