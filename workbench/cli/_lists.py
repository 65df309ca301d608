"""Options that take several words, which Typer does not know: `--shots 1 5`, `--on omniglot glyphs`.

`widen` repeats the flag before each word, the form that Typer takes. Integer lists take the integers
that follow, `1,5` too; name lists take the words up to the next flag, so algorithms come before them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from workbench.errors import UsageError

INTEGERS = {"compare": {"--ways", "--shots"}, "eval": {"--ways", "--shots"}}
NAMES = {
    "compare": {"--on", "--train-on", "--backbone", "--baseline"},
    "eval": {"--on"},
    "train": {"--on"},
    "report": {"--baseline"},
}
ALIASES = {"compare": {"--test-on": "--on"}, "eval": {"--test-on": "--on"}}


def widen(words: Sequence[str]) -> list[str]:
    """The words of a command line with each list spelt out.

    Raises:
        UsageError: a list flag without a value, an integer list with something else, or a flag under two names.
    """
    command = next((word for word in words if not word.startswith("-")), "")
    integers, names = INTEGERS.get(command, set()), NAMES.get(command, set())
    aliases = ALIASES.get(command, {})
    wide: list[str] = []
    met: dict[str, str] = {}  # the name under which a flag came
    rest = list(words)
    while rest:
        word = rest.pop(0)
        typed, equals, value = word.partition("=")
        if word == "--":
            return [*wide, word, *rest]
        flag = aliases.get(typed, typed)
        if met.setdefault(flag, typed) != typed and flag in aliases.values():
            raise UsageError(
                f"{met[flag]} and {typed} are two names of one thing; give one of them"
            )
        if flag in integers:
            values = list(
                _integers(flag, value, rest) if equals else _following_integers(flag, rest)
            )
        elif flag in names:
            values = [value] if equals and value else _following_names(rest)
        else:
            wide.append(word)
            continue
        if not values:
            example = "1 5" if flag in integers else "omniglot"
            raise UsageError(f"{typed} needs a value; write for instance {typed} {example}")
        for value in values:
            wide += [flag, value]
    return wide


def _integers(flag: str, value: str, rest: list[str]) -> Iterator[str]:
    yield from _split(flag, value)
    yield from _following_integers(flag, rest)


def _following_integers(flag: str, rest: list[str]) -> Iterator[str]:
    while rest and rest[0][:1].isdigit():
        yield from _split(flag, rest.pop(0))


def _following_names(rest: list[str]) -> list[str]:
    names = []
    while rest and not rest[0].startswith("-"):
        names.append(rest.pop(0))
    return names


def _split(flag: str, value: str) -> list[str]:
    parts = [part for part in value.split(",") if part]
    if wrong := [part for part in parts if not part.isdigit()]:
        raise UsageError(
            f"{flag} takes whole numbers, not {wrong[0]!r}; write for instance {flag} 1 5"
        )
    return parts
