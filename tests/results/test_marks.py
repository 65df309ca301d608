"""Signs behind results, and what the legend says of them."""

from __future__ import annotations

import math

import pytest
from frames import Page, cell, frame_of

from workbench.results.marks import common_signs, legend, own_signs, remarks, signs
from workbench.results.page.whole import html_page
from workbench.results.summary import summary

CHOSEN = {"selected": "lr=0.1", "selected_on": ("glyphs",)}


def test_each_has_a_sign_and_words():
    frame = frame_of(
        cell("a", [0.5, 0.6], transductive=True, oracle=True),
        cell("b", [0.5, 0.6], pretrained_on=("imagenet",), **CHOSEN),
        cell("b", [0.5, 0.6], test_on="digits", pretrained_on=("imagenet",), overlap="yes"),
        cell("c", [0.0, 0.6], broken=True),
    )
    table = summary(frame)
    found = {(row["method"], row["test_on"]): signs(row) for row in table.to_dict("records")}
    assert found == {
        ("a", "glyphs"): "*‡",
        ("b", "glyphs"): "†°",
        ("c", "glyphs"): "#",
        ("b", "digits"): "°!",
    }
    assert common_signs(table) == {"a": "*‡", "b": "°", "c": "#"}
    assert own_signs(table.to_dict("records")[1], "°") == "†"
    assert legend(table) == [
        "* transductive: classifies the queries of a task together (a)",
        "‡ oracle: uses what only the test data reveal (a)",
        "† test-time options: lr=0.1, chosen on the validation classes of glyphs (b on glyphs)",
        "° pre-trained on imagenet (b)",
        "! the test data overlap with the pre-training data (b on digits)",
        "# broke down in 2 of 2 tasks: queries whose scores are not finite count as wrong (c)",
    ]
    words = "".join(Page(html_page(frame)).words)
    for remark in remarks(table.to_dict("records")[1]):
        assert remark in words


def test_a_data_set_called_oracle_makes_no_oracle():
    chosen = CHOSEN | {"selected_on": ("oracle_mnist",)}
    table = summary(cell("a", [0.5, 0.6], train_on="oracle_mnist", **chosen))
    assert legend(table) == [
        "† test-time options: lr=0.1, chosen on the validation classes of oracle_mnist (a)"
    ]


def test_defaults_for_want_of_validation_classes_are_named():
    table = summary(cell("a", [0.5, 0.6], selected="lr=0.1"))
    assert legend(table) == [
        "† test-time options: lr=0.1, the defaults because there are no validation classes (a)"
    ]


def test_training_seeds_may_choose_differently():
    seeds = [
        cell("a", [0.5, 0.6], train_seed=seed, **CHOSEN | {"selected": chosen})
        for seed, chosen in enumerate(("lr=0.1", "lr=0.5", "lr=0.1"))
    ]
    table = summary(frame_of(*seeds))
    assert table["selected"].tolist() == [("lr=0.1", "lr=0.5")]
    assert legend(table) == [
        "† test-time options: lr=0.1 or lr=0.5, depending on the training seed, "
        "chosen on the validation classes of glyphs (a)"
    ]


@pytest.mark.parametrize(
    ("overlaps", "words"),
    [
        (("no", "no"), []),
        (("unknown", "no"), ["! the test data may overlap with the pre-training data (a)"]),
        (("unknown", "yes"), ["! the test data overlap with the pre-training data (a)"]),
    ],
)
def test_the_worst_overlap_of_the_seeds_counts(overlaps, words):
    seeds = [
        cell("a", [0.5, 0.6], train_seed=seed, overlap=overlap)
        for seed, overlap in enumerate(overlaps)
    ]
    assert legend(summary(frame_of(*seeds))) == words


@pytest.mark.parametrize(
    ("chosen", "said"),
    [
        ({("a", 1): "x", ("b", 1): "x", ("a", 5): "x", ("b", 5): "x"}, ["x (url)"]),
        (
            {("a", 1): "x", ("b", 1): "x", ("a", 5): "y", ("b", 5): "y"},
            ["x (url at 1-shot)", "y (url at 5-shot)"],
        ),
        (
            {("a", 1): "x", ("a", 5): "x", ("b", 1): "y", ("b", 5): "y"},
            ["x (url on a)", "y (url on b)"],
        ),
        (
            {("a", 1): "x", ("b", 1): "y", ("a", 5): "y"},
            ["x (url on a at 1-shot)", "y (url on a at 5-shot and on b at 1-shot)"],
        ),
        (
            {("a", 1): "x", ("a", None): "y"},
            ["x (url at 1-shot)", "y (url at varying shots)"],
        ),
    ],
)
def test_the_legend_says_for_which_cells_a_choice_holds(chosen, said):
    cells = []
    for (on, shots), selected in chosen.items():
        ways = None if shots is None else 5
        options = {"selected": selected, "selected_on": ("glyphs",), "ways": ways}
        cells.append(cell("url", [0.5, 0.6], test_on=on, shots=shots, **options))
    words = " ".join(legend(summary(frame_of(*cells))))
    chosen_on = ", chosen on the validation classes of glyphs"
    assert words == " ".join(f"† test-time options: {line}" for line in said).replace(
        " (", f"{chosen_on} ("
    )


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"steps": 1000, "recipe_steps": 1000}, []),
        ({"steps": 2000, "recipe_steps": 1000}, []),
        ({"steps": 100, "recipe_steps": None}, []),
        (
            {"steps": 100, "recipe_steps": 1000, "recipe": "paper"},
            ["§ trained for 100 steps, and the paper recipe says 1,000 (a)"],
        ),
        ({"train_loss": 0.4, "chance_loss": 1.609}, []),
        ({"train_loss": 1.4, "chance_loss": 1.609}, []),
        ({"train_loss": math.nan, "chance_loss": 1.609}, []),
        ({"train_loss": 1.4}, []),
        (
            {"train_loss": 4.9, "chance_loss": 5.07},
            ["¶ training loss 4.90 at the end, and guessing has 5.07 (a)"],
        ),
    ],
)
def test_trainings_that_are_too_short_are_marked(given, words):
    assert legend(summary(cell("a", [0.5, 0.6], **given))) == words
