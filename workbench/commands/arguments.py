"""Arguments as users give them, turned into plain checked values before anything runs.

The command line and Python programs both come through `checked`. A number may be of numpy or text,
several numbers may be an array, a name may be a path, and classes and data of the user's own are
registered and named. What is left after it is a `str`, an `int`, a `float`, a `bool`, a `Path` or a
tuple of these.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from itertools import product
from pathlib import Path
from typing import Any, Literal

from workbench.commands.keywords import (
    LayoutKeywords,
    TaskKeywords,
    TrainKeywords,
    WorkspaceKeywords,
)
from workbench.commands.own import adopt_code, named_code, named_data
from workbench.commands.unknown import unknown_argument
from workbench.errors import UsageError
from workbench.experiments.tracking import tracking_of
from workbench.experiments.workspace import Workspace
from workbench.learning.settings import settings_options
from workbench.plugin.options import LARGEST, Above, AtLeast, Between, Option
from workbench.plugin.registry import DEFAULT_PROTOCOL
from workbench.progress import say_nothing
from workbench.tasks.protocols.build import numbers_of
from workbench.tasks.settings import EvaluationSettings

EXAMPLES = {  # of names, for messages
    "algorithms": "protonet maml",
    "algorithm": "protonet",
    "on": "omniglot",
    "train_on": "omniglot",
    "backbone": "conv4",
    "baseline": "baseline",
    "runs": "runs",
    "run": "runs/protonet-glyphs-5w1s-0123abcd",
    "name": "omniglot",
    "over": "inner_lr=1e-3..1",
    "data": "photos/birds",
    "support": "birds/known",
    "query": "birds/new",
    "candidates": "protonet baseline",
    "names": "protonet mlw-metric",
    "track": "tensorboard",
}
JOINED_BY_MISTAKE = (
    "algorithms",
    "algorithm",
    "on",
    "train_on",
    "backbone",
    "name",
    "names",
    "candidates",
    "track",
)
NUMBERS = {  # one or several
    "ways": Option("ways", int, None, "classes per test task", AtLeast(2)),
    "shots": Option("shots", int, 1, "support images per class of a test task", AtLeast(1)),
}
SINGLE = {
    option.name: option
    for option in (
        Option("queries", int, None, "query images per class of a test task", AtLeast(1)),
        Option("protocol", str, DEFAULT_PROTOCOL, "how test tasks are drawn"),
        Option("episodes", int, 600, "test tasks", Between(2, 1_000_000)),
        Option("trace", int, None, "test tasks to trace", Between(1, 10_000)),
        Option("examples", int, None, "test tasks to show as pictures", Between(1, 50)),
        Option("task_seed", int, 0, "seed for the test tasks", Between(0, LARGEST)),
        Option(
            "calibrate",
            Literal["none", "temperature"],
            "none",
            "how probabilities are corrected",
        ),
        Option("split", Literal["train", "val", "test"], "test", "whose classes the tasks have"),
        Option("recipe", str, "quick", "how each method is trained"),
        Option("seed", int, 0, "seed of a training", Between(0, LARGEST)),
        Option("seeds", int, 1, "trainings of each method", Between(1, 1000)),
        Option("tuned", int, None, "trials of a search for each method", Between(1, 10_000)),
        Option("trials", int, 30, "configurations to try", Between(1, 10_000)),
        Option("hours", float, None, "hours of training and validation", Above(0)),
        Option("sampler", Literal["tpe", "random"], "tpe", "what proposes configurations"),
        Option("folds", int, 50, "splits of the user's images", Between(2, 10_000)),
        Option("size", int, 4, "methods of the shortlist", Between(1, 50)),
        Option("reject", float, None, "how often a class is to be possible", Between(0.5, 0.999)),
        Option("leave_one_out", bool, False, "train on all other data sets"),
        Option("device", str, "auto", "auto, cpu, cuda, mps"),
        Option("fresh", bool, False, "recompute"),
        Option("partial", bool, False, "accept a part of the images"),
    )
}
OWN_CODE = {  # arguments that take own code, and what it must be
    "algorithms": "algorithms",
    "algorithm": "algorithms",
    "candidates": "algorithms",
    "backbone": "backbones",
    "names": "",
}
OWN_DATA = ("on", "train_on")
PLACES = ("out", "source", "experience", "html")
CALLED = ("report", "note", "told")
TEXTS = tuple(LayoutKeywords.__annotations__)  # columns, and levels, which are numbers


def checked(given: Mapping[str, Any], known: Iterable[str], *, needed: str = "") -> dict[str, Any]:
    """Return the arguments that were given; those that are None are as if omitted.

    Args:
        given: arguments by name.
        known: the names that there are.
        needed: the one that cannot be omitted.

    Raises:
        UnknownName: there is no such argument.
        UsageError: a value is of another type or out of bounds, or `needed` is omitted.
    """
    known = list(known)
    for name, value in given.items():
        if name not in known:
            algorithms = given.get("algorithms", given.get("algorithm", ()))
            raise unknown_argument(name, value, known, _texts(algorithms))
    found = {name: _checked(name, value) for name, value in given.items() if value is not None}
    if needed and needed not in found:
        raise UsageError(f"{needed} is missing; give for instance {EXAMPLES[needed].split()!r}")
    return found


def _texts(value: Any) -> list[str]:
    """Return the names in an argument that is not checked yet."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, Iterable):
        return [each for each in value if isinstance(each, str)]
    return []


def _checked(name: str, value: Any) -> Any:
    if name in CALLED:
        return _function(name, value)
    if name == "code":
        return adopt_code(value)
    if name in OWN_CODE:
        value = named_code(value, OWN_CODE[name])
    if name in OWN_DATA:
        value = named_data(value)
    value = _plain(value)
    if name in EXAMPLES:
        return _names(name, value)
    if name in NUMBERS:
        return _numbers(NUMBERS[name], value)
    if name in PLACES:
        return _place(name, value)
    if name in TEXTS:
        return _text(name, value)
    option = SINGLE.get(name) or settings_options()[name]
    return option.convert(value, "")


def one(name: str, value: Any) -> str:
    """Return the only name of an argument that takes one, as `checked` left it."""
    if len(value) > 1:
        raise UsageError(f"{name} takes one name, not {len(value)}: {', '.join(value)}")
    only: str = value[0]
    return only


def one_number(name: str, value: Any) -> int:
    """Return the only number of an argument that takes one, as `checked` left it."""
    if len(value) > 1:
        raise UsageError(f"{name} takes one number here, not {len(value)}")
    only: int = value[0]
    return only


# --- values of each kind


def _plain(value: Any) -> Any:
    """Return a value of numpy, pandas or torch as one of Python, and a path as text."""
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if hasattr(value, "tolist"):
        return value.tolist()
    return value


def _several(name: str, value: Any, example: str) -> list[Any]:
    """Return the values of a list, or a single value as a list."""
    if isinstance(value, Mapping | bytes) or not isinstance(value, Iterable):
        raise UsageError(f"{name} must be {example}, not {value!r}")
    values = [_plain(each) for each in value]
    if not values:
        raise UsageError(f"{name} is empty; omit it, or give {example}")
    if isinstance(value, Set):  # its order differs from process to process
        values.sort(key=str)
    return values


def _names(name: str, value: Any) -> tuple[str, ...]:
    example = f"a name or several, for instance {EXAMPLES[name].split()!r}"
    values = [value] if isinstance(value, str) else _several(name, value, example)
    for each in values:
        if not isinstance(each, str) or not each:
            raise UsageError(f"{name} must be {example}, not {each!r}")
        if name in JOINED_BY_MISTAKE:
            _refuse_joined(each)
    return tuple(dict.fromkeys(map(str, values)))


def _refuse_joined(text: str) -> None:
    """Raise `UsageError` if several names are joined in one text."""
    before = text.partition(":")[0]
    apart = before.replace(",", " ").split()
    if len(apart) > 1 and not os.path.exists(text):
        raise UsageError(
            f"{text!r} is not one name; give several apart, on the command line with spaces "
            f"between them: {' '.join(apart)}, in Python as a list: {apart!r}"
        )


def _numbers(option: Option, value: Any) -> tuple[int, ...]:
    if isinstance(value, str | float | int):
        values = [value]
    else:
        values = _several(option.name, value, "a whole number or several, for instance [1, 5]")
    return tuple(dict.fromkeys(option.convert(each, "") for each in values))


def _place(name: str, value: Any) -> Path | str:
    if not isinstance(value, str) or not value:
        raise UsageError(f"{name} must be a folder or file, not {value!r}")
    if name == "source":  # perhaps an address
        return value
    try:
        os.stat(value)
    except ValueError as error:
        raise UsageError(f"{name} cannot be {value!r}: {error}") from error
    except OSError as error:
        if error.errno in (errno.ENAMETOOLONG, errno.ELOOP):
            raise UsageError(f"{name} cannot be {value!r}: {error.strerror}") from error
    return Path(value)


def _text(name: str, value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise UsageError(f"{name} must be a name or a number, not {value!r}")
    return str(value)


def _function(name: str, value: Any) -> Callable[..., None]:
    if not callable(value):
        raise UsageError(f"{name} must be a function that is told what happens, not {value!r}")
    called: Callable[..., None] = value
    return called


# --- what they stand for


def workspace(arguments: Mapping[str, Any]) -> Workspace:
    """Return where runs are kept and computed, and what follows. `arguments` are checked.

    Raises:
        UsageError, PluginError: there is no such tracker, or it cannot be made.
    """
    given = _those(arguments, WorkspaceKeywords.__annotations__)
    tracking = tracking_of(arguments.get("track", ()), given.get("note", say_nothing))
    return Workspace(tracking=tracking, **given)


def training_settings(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return the training settings among checked arguments."""
    return _those(arguments, TrainKeywords.__annotations__)


def evaluations(
    arguments: Mapping[str, Any], ways: int | None = None, shots: int = 1
) -> tuple[EvaluationSettings, ...]:
    """Return one evaluation for each of the ways and shots.

    Args:
        arguments: checked.
        ways: if none are given; None: as usual.
        shots: if none are given.
    """
    common = _those(arguments, [*TaskKeywords.__annotations__, "split"])
    all_ways = common.pop("ways", (ways,))
    all_shots = common.pop("shots", (shots,))
    _refuse_equal_tasks(common.get("protocol", DEFAULT_PROTOCOL), all_ways, all_shots)
    found = []
    for way, shot in product(all_ways, all_shots):
        found.append(EvaluationSettings(ways=way, shots=shot, **common))
    return tuple(found)


def _refuse_equal_tasks(protocol: str, all_ways: Sequence[Any], all_shots: Sequence[int]) -> None:
    """Refuse several ways or shots where the protocol draws them: all tasks would be the same."""
    taken = numbers_of(protocol)
    for name, values in (("ways", all_ways), ("shots", all_shots)):
        if len(set(values)) > 1 and name not in taken:
            raise UsageError(
                f"{protocol} draws the {name} of each task itself, so several --{name} would give "
                f"the same tasks; give one"
            )


def refuse_unused(arguments: Mapping[str, Any], names: Iterable[str]) -> None:
    """Refuse numbers of the test tasks that their protocol does not take.

    Args:
        arguments: checked.
        names: of the numbers that decide nothing else.

    Raises:
        UsageError: one was given.
    """
    protocol = arguments.get("protocol", DEFAULT_PROTOCOL)
    taken = numbers_of(protocol)
    for name in names:
        if name in arguments and name not in taken:
            raise UsageError(
                f"{protocol} draws the {name} of each task itself, so --{name} would change "
                "nothing; omit it"
            )


def _those(arguments: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    return {name: arguments[name] for name in names if name in arguments}
