"""Example tasks as pictures, and tables of confusions."""

from __future__ import annotations

import numpy as np
from frames import Page

from workbench.results.examples import Confusion, Examples, ExampleTask, ShownTasks
from workbench.results.page.pictures import MOST_CLASSES, confusion_blocks, example_blocks
from workbench.results.style import looks_of

BAD = "<script>alert(1)</script>"
LOOKS = looks_of(["protonet", BAD])


def images(count):
    return np.random.default_rng(0).integers(0, 256, (count, 1, 4, 4), np.uint8)


def task():
    return ExampleTask(
        number=7,
        classes=(BAD, "b"),
        support=images(2),
        support_y=np.array([1, 0]),
        query=images(4),
        query_y=np.array([0, 0, 1, 1]),
        answers={"protonet": np.array([0, 1, 1, 1]), BAD: np.array([-1, 0, 1, 0])},
        probabilities={"protonet": np.full(4, 0.75), BAD: np.full(4, 0.5)},
    )


def confusion(classes):
    counts = np.zeros((classes, classes), np.int64)
    np.fill_diagonal(counts, 3)
    counts[0, 1] = 2
    choices = np.full((classes, classes), 5)
    names = (BAD, *(f"class{number}" for number in range(1, classes)))
    return Confusion(9, names, images(classes), {"protonet": counts, BAD: counts.T}, choices)


def shown(classes=2, differing=0):
    return Examples("glyphs", (task(),), confusion(classes), {"protonet": differing, BAD: 0})


def page(blocks):
    return Page("".join(blocks))


def test_each_query_says_who_was_right():
    parsed = page(example_blocks(ShownTasks((shown(),)), LOOKS))
    words = " ".join(" ".join(parsed.words).split())
    assert f"Task 7: of 4 queries right: protonet 3 and {BAD} 2" in words
    marks = [word for word in parsed.words if word in {"●", "■", "A", "B", "–"}]  # noqa: RUF001
    # the legend; the first class and its two queries, one missed by each; then the second
    assert marks[:2] == ["●", "■"]
    assert marks[2] == "A"
    assert sorted(marks[3:7]) == ["B", "–", "■", "●"]  # noqa: RUF001
    assert marks[7:] == ["B", "●", "A", "●", "■"]
    assert parsed.tags.count("img") == 6
    assert "script" not in parsed.tags


def test_answers_unlike_the_evaluation_are_said():
    words = "".join(page(example_blocks(ShownTasks((shown(differing=2),)), LOOKS)).words)
    assert "protonet, glyphs: 2 answers to the first 9 tasks are not as right or wrong" in words
    assert "Not shown" not in words
    words = "".join(page(example_blocks(ShownTasks((), ("no images",)), LOOKS)).words)
    assert words == "Not shown: no images."


def test_few_classes_are_a_table_per_method():
    parsed = page(confusion_blocks(shown(classes=3)))
    assert parsed.tags.count("table") == 2
    assert "script" not in parsed.tags
    assert "60.0" in parsed.words  # 3 of 5 queries of each class


def test_of_many_classes_the_most_confused_are_listed():
    parsed = page(confusion_blocks(shown(classes=MOST_CLASSES + 1)))
    assert parsed.tags.count("table") == 1
    cells = [word for word in parsed.words if word.endswith(" of 5")]
    assert cells == ["2 of 5", "0 of 5", "0 of 5", "2 of 5"]
    assert "of 31 classes in the first 9 tasks" in "".join(parsed.words)
