"""Options that take several words: `--shots 1 5`, `--on omniglot glyphs`. Typer has none.

`widen` repeats the flag before each word, which Typer takes. Lists of integers take the integers
that follow, also as `1,5`. Lists of names take the words up to the next flag, so algorithms come
first.
"""

from __future__ import annotations

from collections.abc import Sequence

from workbench.errors import UsageError

INTEGERS = {
    "compare": {"--ways", "--shots"},
    "eval": {"--ways", "--shots"},
    "tune": {"--ways", "--shots"},
}
NAMES = {
    "compare": {"--on", "--train-on", "--backbone", "--baseline", "--track"},
    "eval": {"--on", "--track"},
    "train": {"--on", "--track"},
    "report": {"--baseline"},
    "runs": {"--algorithm", "--on"},
    "tune": {"--over"},
    "predict": {"--query"},
    "recommend": {"--train-on", "--candidates", "--learn-from"},
}
EXAMPLES = {"--over": "inner_lr=1e-3..1", "--track": "tensorboard", "--algorithm": "maml"}
# other names of a flag
ALIASES = {
    "compare": {"--test-on": "--on"},
    "eval": {"--test-on": "--on"},
    "train": {"--train-on": "--on"},
}


def widen(words: Sequence[str]) -> list[str]:
    """Return the words of a command line with a flag before each word of a list.

    Raises:
        UsageError: a list without values, a list of integers with something else, or one flag
            under two names.
    """
    command = _command(words)
    integers = INTEGERS.get(command, set())
    names = NAMES.get(command, set())
    aliases = ALIASES.get(command, {})
    wide: list[str] = []
    used: dict[str, str] = {}  # by flag, the name under which it came
    rest = list(words)
    while rest:
        word = rest.pop(0)
        if word == "--":
            return [*wide, word, *rest]
        typed, equals, value = word.partition("=")
        flag = aliases.get(typed, typed)
        if flag not in integers | names:
            wide.append(word)
            continue
        _check_name(flag, typed, used)
        given = [value] if equals and value else []
        if flag in integers:
            values = _integers(flag, given, rest)
            example = "1 5"
        else:
            values = given or _names(rest)
            example = EXAMPLES.get(flag, "omniglot")
        if not values and flag in integers and rest and not rest[0].startswith("-"):
            raise UsageError(
                f"{typed} takes whole numbers, not {rest[0]!r}; for instance: {typed} {example}"
            )
        if not values:
            raise UsageError(f"{typed} needs a value, for instance: {typed} {example}")
        for each in values:
            wide += [flag, each]
    return wide


def _command(words: Sequence[str]) -> str:
    for word in words:
        if not word.startswith("-"):
            return word
    return ""


def _check_name(flag: str, typed: str, used: dict[str, str]) -> None:
    before = used.setdefault(flag, typed)
    if before != typed:
        raise UsageError(f"{before} and {typed} are two names of one option; give one of them")


def _integers(flag: str, given: list[str], rest: list[str]) -> list[str]:
    """Return the integers given with "=", and take those at the beginning of `rest`."""
    words = list(given)
    while rest and rest[0][:1].isdigit():
        words.append(rest.pop(0))
    values = [part for part in ",".join(words).split(",") if part]
    for value in values:
        if not value.isdigit():
            raise UsageError(f"{flag} takes whole numbers, not {value!r}; for instance: {flag} 1 5")
    return values


def _names(rest: list[str]) -> list[str]:
    """Take the words before the next flag."""
    names = []
    while rest and not rest[0].startswith("-"):
        names.append(rest.pop(0))
    return names
