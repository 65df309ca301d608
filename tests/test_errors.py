"""Errors: their exit codes, and the message for an unknown name."""

from __future__ import annotations

import pytest

from workbench import errors
from workbench.errors import UnknownName, UsageError, WorkbenchError


@pytest.mark.parametrize("name", errors.__all__)
def test_only_invalid_arguments_exit_with_2(name):
    error = getattr(errors, name)
    assert issubclass(error, WorkbenchError)
    assert error.exit_code == (2 if issubclass(error, UsageError) else 1)


def test_an_unknown_name_suggests_the_nearest_and_lists_all():
    error = UnknownName("backbone", "resnet1", ["conv4", "resnet12"], "Run: mlw list")
    assert str(error) == (
        "There is no backbone 'resnet1'. Did you mean resnet12? "
        "Available: conv4, resnet12. Run: mlw list"
    )


def test_an_unknown_name_where_nothing_is_near_or_known():
    assert str(UnknownName("data set", "x", ["omniglot"])) == (
        "There is no data set 'x'. Available: omniglot."
    )
    assert str(UnknownName("data set", "x", [])) == "There is no data set 'x'. Available: none."
