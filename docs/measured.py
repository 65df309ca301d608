"""Write the measured parts of docs/results.md from run folders.

    python docs/measured.py PART=FOLDER[,FOLDER...] ...

`omniglot=runs`: the runs that were tested on the data they were trained on give a table with a row
for each evaluation of at least 1,000 tasks. If several runs of a method compete for one row, the
one with the best validation accuracy is used.

`calibration=FOLDER`: a comparison with `--calibrate temperature` gives how sure each method is,
before and after.

Any other part: folders of comparisons over several data sets, as `mlw compare` writes them, give a
table of methods by test data sets, and the effect of other training data. The heat map of a single
comparison is copied.

Each text goes between its two marks on the page. Units: percent, points, minutes.
"""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from workbench.experiments.run import Run, find_runs
from workbench.plugin.options import parse_options
from workbench.plugin.recipes import Condition, Published, matching_number, published_numbers
from workbench.plugin.registry import registry
from workbench.results.frame import read_tasks, records
from workbench.results.marks import common_signs, own_signs
from workbench.results.summary import summary, trainings
from workbench.results.wording import as_published, decimal, parts, plus_minus, task_shape_text

PAGE = Path(__file__).with_name("results.md")
FIGURES = Path(__file__).with_name("figures")
BEGIN = "<!-- {}: what follows is written by docs/measured.py -->\n"
END = "\n<!-- up to here -->"
MINIMUM_TASKS = 1000  # of an evaluation in the table
HEADINGS = (
    "method",
    "trained on, tested on",
    "task",
    "measured, %",
    "published, %",
    "difference",
    "steps",
    "time",
    "command",
)
TRAININGS_HEADINGS = ("method", "trained on", "rather than on", "tested on", "task", "difference")

Cell = Mapping[Any, Any]  # a row of a summary


class Measurement(NamedTuple):
    """A row of a summary, and the run that it belongs to."""

    run: Run
    cell: Cell
    all_options: dict[str, str]
    partial: bool  # the files are a part, or not known to be the published ones


def main() -> None:
    """Write the parts that are named."""
    for argument in sys.argv[1:]:
        name, _, listed = argument.partition("=")
        folders = [Path(folder) for folder in listed.split(",")]
        if name == "omniglot":
            write(name, results_table(measurements(folders[0])))
        elif name == "calibration":
            write(name, calibration_tables(tasks_of(folders)))
        else:
            write(name, comparison_tables(tasks_of(folders)))
            if len(folders) == 1:
                FIGURES.mkdir(exist_ok=True)
                shutil.copyfile(folders[0] / "heatmap.png", FIGURES / f"{name}.png")


def write(name: str, text: str) -> None:
    """Put a text between its marks on the page."""
    mark = BEGIN.format(name)
    before, begin, rest = PAGE.read_text(encoding="utf-8").partition(mark)
    if not begin:
        sys.exit(f"{PAGE} has no mark for {name}: {mark.strip()}")
    _, end, after = rest.partition(END)
    PAGE.write_text(before + begin + text + end + after, encoding="utf-8")


def table_row(cells: list[str] | tuple[str, ...]) -> str:
    """Return a row of a Markdown table."""
    return f"| {' | '.join(cells)} |"


def table_head(headings: list[str] | tuple[str, ...]) -> list[str]:
    """Return the first two rows of a Markdown table."""
    return [table_row(headings), "|---" * len(headings) + "|"]


# --- runs on one data set


def measurements(folder: Path) -> list[Measurement]:
    """Return the evaluations of all finished runs, those of the best run first."""
    found: list[Measurement] = []
    for run in find_runs([folder]):
        if run.finished:
            found += _evaluations(run)
    return sorted(found, key=_validation_accuracy, reverse=True)


def _validation_accuracy(measurement: Measurement) -> float:
    result = measurement.run.manifest.result
    if result is None or result.best_val_accuracy is None:
        return 0.0
    return result.best_val_accuracy


def _evaluations(run: Run) -> Iterator[Measurement]:
    frame = run.evaluations()
    if frame.empty:
        return
    options = parse_options(frame["all_options"].iloc[0])
    partial = bool(parts(frame))
    for cell in records(summary(frame)):
        if cell["episodes"] >= MINIMUM_TASKS and cell["instance"] == 0:
            yield Measurement(run, cell, options, partial)


def results_table(found: list[Measurement]) -> str:
    """Return a table with a row for each data set, task and method, in this order."""
    rows: dict[tuple[Any, ...], str] = {}
    for each in found:
        cell = each.cell
        place = (cell["train_on"], cell["test_on"], cell["ways"], cell["shots"], cell["algorithm"])
        rows.setdefault(place, _results_row(each))
    return "\n".join([*table_head(HEADINGS), *(rows[place] for place in sorted(rows))])


def _results_row(measurement: Measurement) -> str:
    cell = measurement.cell
    method = cell["algorithm"]
    if cell["transductive"]:
        method += r" \*"
    data = cell["test_on"]
    if cell["train_on"] != cell["test_on"]:
        data = f"{cell['train_on']}, {data}"
    if measurement.partial:
        data += " (not the published files)"
    published, difference = _published_texts(measurement)
    result = measurement.run.manifest.result
    return table_row(
        [
            method,
            data,
            task_shape_text(cell),
            plus_minus(100 * cell["accuracy"], 100 * cell["interval"]),
            published,
            difference,
            f"{result.steps:,}" if result else "",
            f"{cell['train_seconds'] / 60:.0f} min",
            _command(measurement.run),
        ]
    )


def _command(run: Run) -> str:
    """Return the command of a run without the folder of its author; empty if there was none."""
    command = re.sub(r" --out(=| )\S+", "", run.manifest.command)
    if not command:
        return ""
    return f"`{command}`"


def _published_texts(measurement: Measurement) -> tuple[str, str]:
    """Return the published number and the difference to it; empty if there is none."""
    number, mark = _published(measurement)
    if number is None:
        return "", ""
    difference = 100 * measurement.cell["accuracy"] - number.accuracy
    published = as_published(number.accuracy, number.spread, number.spread_kind)
    return published + mark, decimal(difference, 2, signed=True)


def _published(measurement: Measurement) -> tuple[Published | None, str]:
    """Return the published number of a cell, with a mark if it is for another backbone."""
    cell = measurement.cell
    options = measurement.all_options
    condition = Condition(
        cell["train_sets"],
        cell["test_on"],
        cell["protocol"],
        cell["ways"],
        cell["shots"],
        cell["instance"],
    )
    registration = registry().find("algorithms", cell["algorithm"])
    exact = matching_number(registration, options, condition, cell["backbone"])
    if exact is not None:
        return exact, ""
    fitting = []
    for number in published_numbers(registration):
        tasks = (number.drawn, number.ways, number.shots, number.instance)
        place = (number.trained_on, number.data, *tasks)
        if place == condition and number.options.items() <= options.items():
            fitting.append(number)
    specific = [number for number in fitting if number.options]
    for number in specific or fitting:
        return number, " †"
    return None, ""


# --- comparisons over several data sets


def tasks_of(folders: list[Path]) -> pd.DataFrame:
    """Return the test tasks of all comparisons."""
    frames = []
    for folder in folders:
        frame = read_tasks(folder / "tasks.parquet")
        if frame is None:
            sys.exit(f"{folder}/tasks.parquet has another schema version; run mlw compare again")
        frames.append(frame)
    return pd.concat(frames, ignore_index=True)


def comparison_tables(frame: pd.DataFrame) -> str:
    """Return a table for each ways and shots, and one with the effect of other training data."""
    tables = []
    by_form = summary(frame).groupby(["ways", "shots"], sort=False, dropna=False)
    for _, cells in by_form:
        tables.append(_matrix(cells))
    pairs = trainings(frame)
    if not pairs.empty:
        tables.append(_trainings_table(pairs))
    return "\n\n".join(tables)


def calibration_tables(frame: pd.DataFrame) -> str:
    """Return calibration errors and losses before and after a temperature, for each shots."""
    tables = []
    for _, cells in summary(frame).groupby(["ways", "shots"], sort=False):
        places = list(cells["test_on"].unique())
        title = f"{task_shape_text(records(cells)[0])}: error, % (loss)"
        lines = table_head([title, *map(short_label, places)])
        for method, part in cells.groupby("method", sort=False):
            results = {cell["test_on"]: cell for cell in records(part)}
            row = [escaped(str(method)), *(_before_and_after(results.get(each)) for each in places)]
            lines.append(table_row(row))
        tables.append("\n".join(lines))
    return "\n\n".join(tables)


def _before_and_after(cell: Cell | None) -> str:
    """Return calibration error and cross-entropy, and both after dividing by the temperature."""
    if cell is None:
        return ""
    before = f"{100 * cell['calibration_error']:.1f} ({cell['loss']:.2f})"
    after = f"{100 * cell['calibrated_error']:.1f} ({cell['calibrated_loss']:.2f})"
    return f"{before} → {after}"


def _trainings_table(pairs: pd.DataFrame) -> str:
    """Return the differences of each method between its training data."""
    lines = table_head(TRAININGS_HEADINGS)
    for row in records(pairs):
        cells = [
            row["method"],
            short_label(row["train_on"]),
            short_label(row["other"]),
            short_label(row["test_on"]),
            task_shape_text(row),
            plus_minus(100 * row["difference"], 100 * row["interval"], signed=True),
        ]
        lines.append(table_row(cells))
    return "\n".join(lines)


def _matrix(cells: pd.DataFrame) -> str:
    """Return methods by test data sets; a method has a row for each of its trainings."""
    title = task_shape_text(records(cells)[0])
    places = list(cells["test_on"].unique())
    several = cells["train_on"].nunique() > 1
    best = cells.groupby("test_on")["accuracy"].max()
    shared = common_signs(cells)
    headings = [title, *map(short_label, places)]
    if several:
        headings.insert(1, "trained on")
    lines = table_head(headings)
    for (method, train_on), part in cells.groupby(["method", "train_on"], sort=False):
        row = [escaped(f"{method} {shared[method]}".rstrip())]
        if several:
            row.append(short_label(train_on))
        results = {cell["test_on"]: cell for cell in records(part)}
        for place in places:
            row.append(_result(results.get(place), best[place], shared[method]))
        lines.append(table_row(row))
    return "\n".join(lines)


def _result(cell: Cell | None, best: float, shared: str) -> str:
    """Return accuracy, interval and signs; the best of a column is bold."""
    if cell is None:
        return ""
    number = f"{100 * cell['accuracy']:.1f} ± {100 * cell['interval']:.1f}"
    if cell["accuracy"] == best:
        number = f"**{number}**"
    return number + escaped(own_signs(cell, shared))


def escaped(text: str) -> str:
    """Return a text in which Markdown sees no emphasis."""
    return text.replace("*", r"\*")


def short_label(data: str) -> str:
    """Return data sets without their image shape, which all share.

    "miniimagenet:size=28 + omniglot:channels=3" becomes "miniimagenet + omniglot".
    """
    labels = []
    for part in data.split(" + "):
        labels.append(re.sub(r"(size|channels)=\d+,?", "", part).rstrip(":,"))
    return " + ".join(labels)


if __name__ == "__main__":
    main()
