"""Looks of methods, and panels."""

from __future__ import annotations

import pytest

from workbench.results.style import COLOURS, looks_of, panel_grid, side_by_side


def test_thirty_two_methods_look_different():
    looks = looks_of(f"method{number}" for number in range(32))
    assert len(set(looks.values())) == 32
    first = list(looks.values())[: len(COLOURS)]
    assert [look.colour for look in first] == COLOURS
    assert {look.dash for look in first} == {"-"}


def test_a_name_has_one_look():
    assert list(looks_of(["a", "b", "a"])) == ["a", "b"]


@pytest.mark.parametrize("count", range(9))
def test_neighbours_stay_within_their_category(count):
    offsets = side_by_side(count)
    assert len(offsets) == count
    assert sum(offsets) == pytest.approx(0)
    assert all(-0.3 <= offset <= 0.3 for offset in offsets)


def test_spare_panels_are_removed():
    figure, panels = panel_grid(4, columns=3, width=4, height=3)
    assert len(panels) == len(figure.axes) == 4
    assert tuple(figure.get_size_inches()) == (12, 6)
