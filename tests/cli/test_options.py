"""Options that commands share: written once, shown once, and with one meaning in every command."""

from __future__ import annotations

import inspect
from dataclasses import dataclass, fields
from typing import Annotated, get_args, get_type_hints

import pytest
import typer
from command_lines import options_in_help

from workbench.cli import compare, evaluate, train
from workbench.cli._options import (
    OutputOptions,
    PlaceOptions,
    TaskOptions,
    TrainingOptions,
    flat,
)
from workbench.cli.compare import DataOptions, MethodOptions
from workbench.plugin.registry import DEFAULT_PROTOCOL
from workbench.tasks.protocols.build import PROTOCOLS
from workbench.tasks.settings import EvaluationSettings

GROUPS = {
    "train": (train.train, [TrainingOptions, PlaceOptions]),
    "eval": (evaluate.evaluate, [TaskOptions, OutputOptions]),
    "compare": (
        compare.compare,
        [DataOptions, TaskOptions, MethodOptions, TrainingOptions, PlaceOptions, OutputOptions],
    ),
}


# --- groups


@dataclass
class Colours:
    """Two options, one required."""

    paint: Annotated[str, typer.Option(help="A colour.")]
    shade: Annotated[int, typer.Option(help="How dark.")] = 3


def test_a_group_is_shown_as_its_fields_and_passed_as_one():
    got = []

    def command(name: str, *, colours: Colours, loud: bool = False) -> None:
        got.append((name, colours, loud))

    shown = inspect.signature(flat(command)).parameters
    assert list(shown) == ["name", "paint", "shade", "loud"]
    assert shown["paint"].default is inspect.Parameter.empty
    assert shown["shade"].default == 3
    assert get_args(shown["shade"].annotation)[0] is int
    flat(command)(name="x", paint="red", shade=5, loud=True)
    assert got == [("x", Colours("red", 5), True)]


@pytest.mark.parametrize("name", GROUPS)
def test_every_field_of_a_group_is_shown_once(name):
    command, groups = GROUPS[name]
    hints = get_type_hints(inspect.unwrap(command), include_extras=True)
    assert [hint for hint in hints.values() if hint in groups] == groups  # all are listed here
    shown = list(inspect.signature(command).parameters)
    assert len(shown) == len(set(shown))
    for group in groups:
        for field in fields(group):
            assert shown.count(field.name) == 1
            default = inspect.signature(command).parameters[field.name].default
            assert default == field.default


@pytest.mark.parametrize("name", GROUPS)
def test_every_option_is_in_the_help_with_a_sentence(mlw, name):
    command, _ = GROUPS[name]
    code, output, _ = mlw(f"{name} --help")
    assert code == 0
    shown = options_in_help(output)
    for parameter in inspect.signature(command).parameters.values():
        flag = "--" + parameter.name.replace("_", "-")
        if parameter.name in ("run", "algorithm"):
            continue
        assert "." in shown[flag], flag
    assert all(words.count("--help") <= 1 for words in shown.values())


# --- one meaning


@pytest.fixture
def helped(mlw):
    """The help text of each option, by command."""
    return {name: options_in_help(mlw(f"{name} --help")[1]) for name in GROUPS}


@pytest.mark.parametrize(
    ("option", "commands", "meaning"),
    [
        ("--queries", {"eval", "compare"}, "Query images per class of a test task."),
        ("--train-queries", {"train", "compare"}, "Query images per class of a training task."),
        ("--seed", {"train"}, "Seed for initial weights, tasks and batches."),
        ("--seeds", {"compare"}, "Trainings of each method, with seeds 0, 1, ..."),
        ("--task-seed", {"eval", "compare"}, "Seed for the test tasks."),
        ("--protocol", {"eval", "compare"}, "How test tasks are drawn"),
        ("--episodes", {"eval", "compare"}, "Test tasks, the same for all."),
        ("--train-shots", {"train", "compare"}, "Support images per class of a training task."),
        ("--device", {"train", "eval", "compare"}, "auto, cpu, cuda, cuda:1, mps ..."),
        ("--fresh", {"train", "eval", "compare"}, "Ignore cached results and recompute."),
        ("--json", {"eval", "compare"}, "Print JSON."),
    ],
)
def test_an_option_means_the_same_in_every_command(helped, option, commands, meaning):
    assert {name for name, shown in helped.items() if option in shown} == commands
    for name in commands:
        assert meaning in helped[name][option]


def test_test_data_have_two_names_where_one_tests(helped):
    for name in ("eval", "compare"):
        assert "--test-on" in helped[name]["--on"]
    assert "--train-on" in helped["train"]["--on"]
    assert "--train-on" in helped["compare"]


def test_the_help_names_every_protocol(helped):
    for name in ("eval", "compare"):
        for protocol in PROTOCOLS:
            assert protocol in helped[name]["--protocol"]
    assert TaskOptions().protocol == DEFAULT_PROTOCOL


def test_defaults_are_those_of_the_settings():
    options = TaskOptions()
    settings = EvaluationSettings()
    for name in ("queries", "protocol", "episodes", "task_seed"):
        assert getattr(options, name) == getattr(settings, name)
