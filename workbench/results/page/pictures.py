"""Example tasks as pictures, and which classes are taken for which."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from string import ascii_uppercase

import numpy as np

from workbench.results.examples import Confusion, Examples, ExampleTask, ShownTasks
from workbench.results.page.charts import DARK, MARKS
from workbench.results.page.markup import note, paragraph, picture
from workbench.results.style import Look
from workbench.results.wording import NO_VALUE, enumerated

MOST_CLASSES = 30  # of a whole table of confusions; of more, the pairs are listed
MOST_PAIRS = 12
Looks = dict[str, Look]


def colours(looks: Looks) -> str:
    """Return the rules of style that give each method its colour; .m0 is the first."""
    light = "".join(f".m{n}{{color:{look.colour}}}" for n, look in enumerate(looks.values()))
    others = "".join(
        f".m{n}{{color:{DARK.get(look.colour, look.colour)}}}"
        for n, look in enumerate(looks.values())
    )
    hidden = "".join(f".without-{n} .queries .m{n}{{display:none}}" for n in range(len(looks)))
    screen = f"@media screen and (prefers-color-scheme:dark){{{others}}}"
    return f"{light}{screen}{hidden}"


def example_blocks(shown: ShownTasks, looks: Looks) -> list[str]:
    """Return the example tasks, a block for each condition, and why others are not there."""
    blocks = []
    if shown.examples:
        legend = "".join(
            f"<span><span class=m{n}>{MARKS[look.marker]}</span> {escape(name)}</span>"
            for n, (name, look) in enumerate(looks.items())
        )
        blocks.append(
            "<p>The first tasks, not chosen ones. Each row has a class: its support images, then "
            "its queries, the most missed first. Below a query is a mark for each method that is "
            "right; the letter of another class in the method's colour is what it was taken for, "
            f"and {NO_VALUE} is no answer.</p><p class=legend>{legend}</p>"
        )
    for example in shown.examples:
        blocks.append(f"<h3>{escape(example.title)}</h3>")
        blocks += [_task(task, looks) for task in example.tasks]
    for example in shown.examples:
        blocks += [note(words) for words in _differing(example)]
    return blocks + [note(f"Not shown: {reason}.") for reason in shown.reasons]


def _differing(example: Examples) -> list[str]:
    """Say where answers are not those of the evaluation, as rounding on another machine does."""
    return [
        f"{name}, {example.title}: {count:,} answers to the first {example.confusion.tasks:,} "
        "tasks are not as right or wrong as in the evaluation, whose numbers stand above: another "
        "device or other versions of libraries round differently"
        for name, count in example.differing.items()
        if count
    ]


def _task(task: ExampleTask, looks: Looks) -> str:
    right = enumerated(
        f"{name} {int((answers == task.query_y).sum())}" for name, answers in task.answers.items()
    )
    heading = f"Task {task.number}: of {len(task.query_y)} queries right: {right}"
    rows = "".join(_class_row(task, label, looks) for label in range(len(task.classes)))
    return f"<details open><summary>{escape(heading)}</summary>{rows}</details>"


def _letter(label: int) -> str:
    """Return A to Z for the first classes of a task, then numbers."""
    return ascii_uppercase[label] if label < len(ascii_uppercase) else str(label + 1)


def _class_row(task: ExampleTask, label: int, looks: Looks) -> str:
    """Return a class with its support images and its queries."""
    name = task.classes[label]
    support = "".join(
        picture(image, f"support of {name}") for image in task.support[task.support_y == label]
    )
    places = np.flatnonzero(task.query_y == label)
    missed = np.sum([task.answers[each][places] != label for each in task.answers], axis=0)
    ranked = places[np.argsort(-missed, kind="stable")]
    queries = "".join(_query(task, int(place), looks) for place in ranked)
    return (
        f"<div class=class><div class=known><b>{_letter(label)}</b> {escape(name)}"
        f"<div class=images>{support}</div></div><div class=queries>{queries}</div></div>"
    )


def _query(task: ExampleTask, place: int, looks: Looks) -> str:
    """Return a query with a mark for each method."""
    true = int(task.query_y[place])
    marks = []
    for number, (method, look) in enumerate(looks.items()):
        if method not in task.answers:
            continue
        answer = int(task.answers[method][place])
        sign, words = NO_VALUE, f"{method}: no answer, it broke down"
        if answer >= 0:
            sign = MARKS[look.marker] if answer == true else _letter(answer)
            sure = task.probabilities[method][place]
            words = f"{method}: {task.classes[answer]}, probability {sure:.2f}"
        kind = "" if answer == true else " miss"
        marks.append(f'<span class="m{number}{kind}" title="{escape(words)}">{sign}</span>')
    image = picture(task.query[place], f"query of {task.classes[true]}")
    return f"<figure>{image}<figcaption>{''.join(marks)}</figcaption></figure>"


def confusion_blocks(example: Examples) -> list[str]:
    """Return which classes are taken for which, over the first tasks of a condition."""
    confusion = example.confusion
    blocks = [f"<h3>{escape(example.title)}</h3>"]
    if len(confusion.classes) <= MOST_CLASSES:
        blocks += [
            f"<p>{escape(method)}, over the first {confusion.tasks:,} tasks; rows are the true "
            f"classes, columns the answers.</p>{_matrix(confusion, method)}"
            for method in confusion.counts
        ]
        return blocks
    words = (
        f"The pairs of classes that are most often confused, of {len(confusion.classes):,} classes "
        f"in the first {confusion.tasks:,} tasks: how often the first is taken for the second, of "
        "its queries in tasks that have both."
    )
    return [*blocks, paragraph(words), _pairs(confusion)]


def _matrix(confusion: Confusion, method: str) -> str:
    """Return counts of true by answered classes; the darker, the larger the share of its row."""
    counts = confusion.counts[method]
    head = "".join(
        f"<th scope=col><span class=upright>{escape(name)}</span></th>"
        for name in confusion.classes
    )
    rows = ""
    for place, name in enumerate(confusion.classes):
        of_class = counts[place]
        asked = max(int(confusion.choices[place, place]), 1)
        cells = "".join(
            _count(int(count), count / asked, right=other == place)
            for other, count in enumerate(of_class)
        )
        recall = f"<td>{100 * of_class[place] / asked:.1f}</td>"
        rows += f"<tr><th scope=row>{escape(name)}</th>{cells}{recall}</tr>"
    head = f"<tr><td></td>{head}<th scope=col>right, %</th></tr>"
    return f"<div class=wide><table class=counts><thead>{head}</thead>{rows}</table></div>"


def _count(count: int, share: float, *, right: bool) -> str:
    colour = "var(--right)" if right else "var(--wrong)"
    strength = round(70 * share)
    style = f"background:color-mix(in srgb,{colour} {strength}%,transparent)"
    return f'<td style="{style}">{count or ""}</td>'


def _pairs(confusion: Confusion) -> str:
    """Return the pairs that all methods together confuse most often."""
    total = np.sum(list(confusion.counts.values()), axis=0)
    np.fill_diagonal(total, 0)
    order: Sequence[int] = np.argsort(-total, axis=None, kind="stable")[:MOST_PAIRS].tolist()
    head = "".join(f"<th scope=col>{escape(name)}</th>" for name in confusion.counts)
    rows = ""
    for place in order:
        true, other = divmod(place, len(confusion.classes))
        if not total[true, other]:
            break
        asked = confusion.choices[true, other]
        cells = "".join(
            f"<td>{counts[true, other]} of {asked}</td>" for counts in confusion.counts.values()
        )
        rows += f"<tr>{_named(confusion, true)}{_named(confusion, other)}{cells}</tr>"
    head = f"<tr><th scope=col>class</th><th scope=col>taken for</th>{head}</tr>"
    return f"<div class=wide><table class=pairs><thead>{head}</thead>{rows}</table></div>"


def _named(confusion: Confusion, place: int) -> str:
    name = confusion.classes[place]
    return f"<td>{picture(confusion.pictures[place], name)}{escape(name)}</td>"
