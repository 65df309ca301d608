"""What messages say of arguments is so: which commands have them."""

from __future__ import annotations

import pytest
import typer

from workbench.cli.main import app
from workbench.plugin.words import ARGUMENTS, OTHER_WORDS, commands_with, nearest, same

COMMANDS = typer.main.get_command(app).commands


@pytest.mark.parametrize("argument", ARGUMENTS)
def test_the_commands_named_for_an_argument_are_those_that_have_it(argument):
    flag = "--" + argument.replace("_", "-")
    having = []
    for name, command in COMMANDS.items():
        if any(flag in parameter.opts for parameter in command.params):
            having.append(name)
    assert list(ARGUMENTS[argument]) == having


def test_no_word_means_two_things():
    words = [word for others in OTHER_WORDS.values() for word in others]
    assert sorted(set(words)) == sorted(words)


def test_spelling_and_other_words_are_told_apart():
    assert same("n_shots", ["ways", "shots"]) == "shots"
    assert same("dropout", ["out"]) == ""
    assert same("train_shots", ["shots", "train_on"]) == ""
    assert nearest("shotz", ["ways", "shots"]) == "shots"
    assert commands_with("split") == "mlw eval"
    assert commands_with("queries") == "mlw eval, compare or tune"
