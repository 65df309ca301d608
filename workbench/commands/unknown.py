"""What is said of an argument that there is not, in Python and on the command line."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from workbench.errors import UnknownName, UsageError, WorkbenchError
from workbench.experiments.algorithm import KnownAlgorithm
from workbench.plugin.options import Spec, option_text, parse_spec
from workbench.plugin.words import ARGUMENTS, commands_with, nearest, same


def unknown_argument(
    name: str, value: Any, known: Iterable[str], algorithms: Iterable[str]
) -> UsageError:
    """Return the error: which argument is meant, or which option of an algorithm.

    Args:
        name: with underscores: `n_shot`.
        value: what was given for it, None if nothing was.
        known: the arguments that there are, as they are typed: "shots" or "--shots".
        algorithms: specs of those that the user names.
    """
    by_name = {each.lstrip("-").replace("-", "_"): each for each in known}
    meant = same(name, by_name)
    elsewhere = "" if meant else same(name, ARGUMENTS)
    if not elsewhere:
        meant = nearest(name, by_name)
    named = _as_option(name, value, algorithms, exact=bool(meant or elsewhere))
    if named is not None:
        return named
    flags = any(each.startswith("-") for each in by_name.values())
    typed = "--" + name.replace("_", "-") if flags else name
    if elsewhere:
        flag = elsewhere.replace("_", "-")
        return UsageError(
            f"There is no argument {typed!r} here. --{flag} belongs to {commands_with(elsewhere)}."
        )
    return UnknownName("argument", typed, by_name.values(), meant=by_name.get(meant, ""))


def _as_option(
    name: str, value: Any, algorithms: Iterable[str], *, exact: bool
) -> UsageError | None:
    """Return how to write an argument as an option of an algorithm; None if none has it."""
    for text in algorithms:
        with suppress(WorkbenchError):  # an algorithm that there is not is another mistake
            spec = parse_spec(text)
            options = KnownAlgorithm(spec.name).all
            key = name if exact else nearest(name, options)
            if key in options:
                given = {**spec.options, key: "VALUE" if value is None else option_text(value)}
                return UsageError(
                    f"{name} is no argument of the command; as an option of {spec.name}, "
                    f"write {Spec(spec.name, given)}"
                )
    return None
