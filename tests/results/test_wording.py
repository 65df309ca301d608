"""How numbers, names and conditions are written."""

from __future__ import annotations

import math

import pytest
from frames import Page, cell, frame_of

from workbench.results.page.whole import html_page
from workbench.results.wording import (
    MINUS,
    NO_VALUE,
    as_published,
    broken,
    condition_title,
    decimal,
    departures,
    enumerated,
    parts,
    plus_minus,
    task_shape_text,
)

CONDITION = {
    "train_on": "glyphs",
    "test_on": "glyphs",
    "split": "test",
    "protocol": "way-shot",
    "ways": 5,
    "shots": 1,
    "queries": 15,
    "instance": 0,
    "task_seed": 0,
}
VARYING = {"protocol": "meta-dataset", "ways": None, "shots": None, "queries": None}


@pytest.mark.parametrize(
    ("value", "spread", "signed", "text"),
    [
        (97.834, 0.206, False, "97.83 ± 0.21"),
        (97.834, math.nan, False, "97.8"),
        (-3.456, 0.5, False, f"{MINUS}3.46 ± 0.50"),
        (3.456, 0.5, True, "+3.46 ± 0.50"),
        (-3.456, math.nan, True, f"{MINUS}3.5"),
        (math.nan, 0.5, False, NO_VALUE),
        (math.nan, math.nan, True, NO_VALUE),
    ],
)
def test_plus_minus(value, spread, signed, text):
    assert plus_minus(value, spread, signed=signed) == text


@pytest.mark.parametrize(
    ("value", "spread", "kind", "text"),
    [
        (98.7, 0.4, "interval", "98.7 ± 0.4"),
        (48.7, 1.84, "interval", "48.70 ± 1.84"),  # as printed
        (98.69, 0.1, "interval", "98.69 ± 0.10"),
        (49.42, 0.78, "interval", "49.42 ± 0.78"),
        (98.0, 0.04, "sd", "98.00 ± 0.04 sd"),
        (98.0, 0.04, "se", "98.00 ± 0.04 se"),
        (98.0, 0.04, "spread", "98.00 ± 0.04 (?)"),
        (98.7, None, "", "98.7"),
        (98.0, math.nan, "", "98"),
        (math.nan, math.nan, "", NO_VALUE),
    ],
)
def test_a_published_number_has_its_papers_decimals_and_says_what_its_spread_is(
    value, spread, kind, text
):
    assert as_published(value, spread, kind) == text


def test_signs_are_true_minus_signs():
    assert MINUS == "\N{MINUS SIGN}"
    assert decimal(-1.25, 1) == "\N{MINUS SIGN}1.2"
    assert decimal(math.nan, 1) == NO_VALUE


def test_enumerated():
    assert [enumerated(names) for names in (["a"], ["a", "b"], ["a", "b", "c"])] == [
        "a",
        "a and b",
        "a, b and c",
    ]


@pytest.mark.parametrize(
    ("change", "title"),
    [
        ({}, "glyphs, 5-way 1-shot"),
        ({"train_on": "aircraft + dtd"}, "aircraft + dtd → glyphs, 5-way 1-shot"),
        ({"protocol": "unbalanced:alpha=5"}, "glyphs, unbalanced:alpha=5, 5-way 1-shot"),
        (VARYING, "glyphs, meta-dataset, varying ways and shots"),
    ],
)
def test_titles_of_conditions(change, title):
    assert condition_title(CONDITION | change) == title


def test_details_are_named_where_they_vary():
    varying = ["split", "queries", "task_seed"]
    title = condition_title(CONDITION, varying)
    assert title == "glyphs, 5-way 1-shot, split test, 15 queries, task seed 0"
    assert condition_title(CONDITION | VARYING, ["queries"]).endswith("varying queries")


def test_without_shots_only_the_ways_are_named():
    assert task_shape_text({"protocol": "way-shot", "ways": 5}) == "5-way"
    varying = {"protocol": "meta-dataset", "ways": None}
    assert task_shape_text(varying) == "meta-dataset, varying ways"


@pytest.mark.parametrize(
    ("name", "width", "lines"),
    [
        (
            "finetune:head=random,tune_epochs=50 †",
            34,
            ["finetune:head=random,", "tune_epochs=50 †"],
        ),
        (
            "finetune:head=random,tune_epochs=50 †",
            18,
            ["finetune:", "head=random,", "tune_epochs=50 †"],
        ),
        ("nearest_neighbor", 18, ["nearest_neighbor"]),
        ("nearest_neighbor:neighbors=3", 12, ["nearest_", "neighbor:", "neighbors=3"]),
        ("x" * 20, 16, ["x" * 16, "x" * 4]),
    ],
)
def test_names_break_between_options_before_they_break_within_one(name, width, lines):
    assert broken(name, width).split("\n") == lines


def test_departures_of_all_cells_are_named_once():
    fewer = "lab at 5-shot: 1 query per class instead of 15, because class a has 6 images"
    frame = frame_of(
        cell("a", [0.5, 0.6]),
        cell("a", [0.5, 0.6], shots=5, departures=(fewer,)),
        cell("b", [0.5, 0.6], shots=5, departures=(fewer, "other")),
    )
    assert departures(frame) == [fewer, "other"]
    assert f"Not as usual: {fewer}." in "".join(Page(html_page(frame)).words)


def test_rows_by_several_versions_of_the_code_are_named():
    frame = frame_of(
        cell("a", [0.5, 0.6], options="x=1", code="old"),
        cell("a", [0.5, 0.6], options="x=1", code="new", shots=5),
        cell("b", [0.5, 0.6], code="old"),
        cell("c", [0.5, 0.6], code="new", shots=5),
    )
    (found,) = departures(frame)
    assert found.startswith("a:x=1 was evaluated by several versions of its code (")


def test_parts_are_named_once():
    eurosat, isic = "eurosat: 4,000 of 27,000 images", "isic: 10 of 10,015 images"
    frame = frame_of(
        cell("a", [0.5, 0.6], parts=(isic, eurosat)),
        cell("b", [0.5, 0.6], parts=(eurosat,)),
        cell("c", [0.5, 0.6]),
    )
    assert parts(frame) == [eurosat, isic]
