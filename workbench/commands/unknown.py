"""What is said of an argument that there is not, in Python and on the command line."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from workbench.errors import UnknownName, UsageError, WorkbenchError
from workbench.experiments.algorithm import KnownAlgorithm
from workbench.plugin.options import Spec, option_text, parse_spec
from workbench.plugin.words import nearest


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
    kind = "argument"
    by_name = {each.lstrip("-").replace("-", "_"): each for each in known}
    meant = nearest(name, by_name)
    if meant in by_name:
        typed = by_name[meant]
        return UnknownName(kind, _like(name, typed), by_name.values(), meant=typed)
    for text in algorithms:
        with suppress(WorkbenchError):  # an algorithm that there is not is another mistake
            spec = parse_spec(text)
            key = nearest(name, KnownAlgorithm(spec.name).all)
            if key:
                options = {**spec.options, key: "VALUE" if value is None else option_text(value)}
                return UsageError(
                    f"{name} is no argument of the command; as an option of {spec.name}, "
                    f"write {Spec(spec.name, options)}"
                )
    return UnknownName(kind, name, by_name.values())


def _like(name: str, typed: str) -> str:
    """Return an unknown name in the form of a known one: "--n-shot" where that is a flag."""
    if typed.startswith("-"):
        return "--" + name.replace("_", "-")
    return name
