"""Write what docs/results.md measured, from run folders: `python docs/measured.py runs [name=folder[,folder] ...]`.

From the runs, tested on the data that they were trained on, the table of Omniglot and its learning curves: a row for
each evaluation of at least 1,000 tasks; where several runs of a method answer for one place, the best on validation.
From the folders of comparisons over several data sets, as `mlw compare` writes them, a table of methods by test data
sets, and what other training data did to the methods; the heat map of a single one is copied. Each goes between its
two marks on the page. Units: percent, points, minutes.
"""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

from workbench.experiments.run import Run, find_runs
from workbench.plugin.options import parse_spec
from workbench.plugin.recipes import Published, matching_number, published_numbers
from workbench.plugin.registry import registry
from workbench.results.figures import COLOURS
from workbench.results.marks import common_signs, signs
from workbench.results.summary import summary, trainings
from workbench.results.wording import parts

PAGE = Path(__file__).with_name("results.md")
FIGURES = Path(__file__).with_name("figures")
BEGIN, END = "<!-- {}: what follows is written by docs/measured.py -->\n", "\n<!-- up to here -->"
HEAD = "| method | trained on, tested on | task | measured, % | published, % | difference | steps | time | command |"
TASKS = 1000  # that an evaluation must have


def rows(folder: Path) -> list[dict[str, Any]]:
    """The cells of all finished runs, best run of a place first."""
    found = []
    for run in find_runs([folder]):
        frame = run.evaluations() if run.finished else None
        if frame is None or frame.empty:
            continue
        for cell in summary(frame).to_dict("records"):
            if cell["episodes"] >= TASKS and cell["instance"] == 0:
                validated = run.about["result"].get("best_val_accuracy", 0.0)
                command = re.sub(
                    r" --out(=| )\S+", "", run.about.get("command", "")
                )  # nobody else's folder
                steps = run.about["result"]["steps"]
                more = {
                    "validated": validated,
                    "command": command,
                    "steps": steps,
                    "parts": parts(frame),
                }
                more["from"] = run
                more["all_options"] = frame["all_options"].iloc[0]
                found.append({**cell, **more})
    return sorted(found, key=lambda cell: -cell["validated"])


def table(found: list[dict[str, Any]]) -> str:
    """The table in Markdown, by data, task and method."""
    lines: dict[tuple[Any, ...], str] = {}
    for cell in found:
        place = (cell["train_on"], cell["test_on"], cell["ways"], cell["shots"], cell["algorithm"])
        lines.setdefault(place, _line(cell))
    return "\n".join(
        [HEAD, "|---" * (HEAD.count("|") - 1) + "|", *(lines[place] for place in sorted(lines))]
    )


def curves(found: list[dict[str, Any]]) -> Figure:
    """Validation accuracy against minutes of training, of the runs in the table."""
    chosen: dict[tuple[int, int], dict[str, Run]] = {}
    for cell in found:
        plan = cell["from"].about[
            "plan"
        ]  # a run may be judged at other ways than it was validated at
        chosen.setdefault((plan["val_ways"], plan["val_shots"]), {}).setdefault(
            cell["algorithm"], cell["from"]
        )
    methods = sorted({method for of_method in chosen.values() for method in of_method})
    figure, axes = plt.subplots(
        len(chosen), 1, figsize=(8, 4.2 * len(chosen)), squeeze=False, layout="constrained"
    )
    for axis, ((ways, shots), of_method) in zip(axes.flat, sorted(chosen.items()), strict=True):
        for method, run in sorted(of_method.items()):
            number = methods.index(method)  # of one colour in all panels
            curve = run.curve().dropna(subset=["val_accuracy"])
            minutes, accuracy = curve["seconds"] / 60, 100 * curve["val_accuracy"]
            axis.plot(
                minutes,
                accuracy,
                marker=".",
                color=COLOURS[number % 8],
                ls="-:"[number // 8],
                label=method,
            )
        axis.set_ylim(80 if shots == 1 else 95, 100)
        axis.set_title(f"Omniglot, {ways}-way {shots}-shot")
        axis.set_xlabel("minutes of training")
        axis.set_ylabel("validation accuracy, %")
        axis.grid(alpha=0.3)
        axis.legend(fontsize="small", loc="center left", bbox_to_anchor=(1, 0.5), frameon=False)
    return figure


def _line(cell: dict[str, Any]) -> str:
    data = (
        cell["test_on"]
        if cell["train_on"] == cell["test_on"]
        else f"{cell['train_on']}, {cell['test_on']}"
    )
    number, other = _published(cell)
    star = r" \*" if cell["transductive"] else ""
    columns = [
        cell["algorithm"] + star,
        data + (" (a part)" if cell["parts"] else ""),
        f"{cell['ways']}-way {cell['shots']}-shot",
        f"{100 * cell['accuracy']:.2f} ± {100 * cell['interval']:.2f}",
        number.text + other if number else "",
        f"{100 * cell['accuracy'] - number.accuracy:+.2f}" if number else "",
        f"{cell['steps']:,}",
        f"{cell['train_seconds'] / 60:.0f} min",
        f"`{cell['command']}`" if cell["command"] else "",
    ]
    return f"| {' | '.join(columns)} |"


def _published(cell: dict[str, Any]) -> tuple[Published | None, str]:
    """The published number of a cell, and a mark where it was reached with another backbone or other options."""
    entry = registry().find("algorithms", cell["algorithm"])
    where = {key: cell[key] for key in ("train_on", "test_on", "protocol", "ways", "shots")}
    exact = matching_number(entry, cell["all_options"], where, cell["backbone"])
    if exact:
        return exact, ""
    place = (cell["train_on"], cell["test_on"], cell["protocol"], cell["ways"], cell["shots"])
    near = [
        n
        for n in published_numbers(entry)
        if (n.train_on, n.data, n.drawn, n.ways, n.shots) == place
    ]
    options = (
        parse_spec(f"{entry.name}:{cell['all_options']}").options if cell["all_options"] else {}
    )
    fitting = [number for number in near if number.options.items() <= options.items()]
    variant = [number for number in fitting if number.options] or fitting
    return (variant[0], " †") if variant else (None, "")


def matrix(frame: pd.DataFrame) -> str:
    """A comparison over several data sets: a table for each ways and shots, then each method against itself."""
    cells, pairs = summary(frame), trainings(frame)
    tables = [
        _block(f"{ways}-way {shots}-shot", part)
        for (ways, shots), part in cells.groupby(["ways", "shots"], sort=False)
    ]
    lines = [
        f"| {row['method']} | {_named(row['train_on'])} | {_named(row['other'])} | {_named(row['test_on'])} | "
        f"{row['ways']}-way {row['shots']}-shot | {100 * row['difference']:+.2f} ± {100 * row['interval']:.2f} |"
        for row in pairs.to_dict("records")
    ]
    if lines:
        head = "| method | trained on | rather than on | tested on | task | difference |\n|---|---|---|---|---|---|"
        tables.append("\n".join([head, *lines]))
    return "\n\n".join(tables)


def _block(title: str, cells: pd.DataFrame) -> str:
    """Methods by test data sets, the best of each column in bold; a method has a row for each training."""
    shared, best = common_signs(cells), cells.groupby("test_on")["accuracy"].max()
    places, several = list(dict.fromkeys(cells["test_on"])), cells["train_on"].nunique() > 1
    head = [title, *(["trained on"] if several else []), *map(_named, places)]
    lines = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    for (method, train_on), part in cells.groupby(["method", "train_on"], sort=False):
        texts = dict.fromkeys(places, "")
        for cell in part.to_dict("records"):
            number = f"{100 * cell['accuracy']:.1f} ± {100 * cell['interval']:.1f}"
            own = "".join(sign for sign in signs(cell) if sign not in shared[method])
            texts[cell["test_on"]] = (
                f"**{number}**" if cell["accuracy"] == best[cell["test_on"]] else number
            ) + own.replace("*", r"\*")
        name = f"{method} {shared[method]}".rstrip().replace("*", r"\*")
        lines.append(
            f"| {' | '.join([name, *([_named(train_on)] if several else []), *texts.values()])} |"
        )
    return "\n".join(lines)


def _named(data: str) -> str:
    """Data sets without their form, which all share: "miniimagenet:size=28 + omniglot:channels=3"."""
    return " + ".join(
        re.sub(r"(size|channels)=\d+,?", "", part).rstrip(":,") for part in data.split(" + ")
    )


def write(name: str, text: str) -> None:
    """Put a text between its marks on the page."""
    before, begin, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN.format(name))
    if not begin:
        sys.exit(f"{PAGE} has no place for {name}: {BEGIN.format(name).strip()}")
    PAGE.write_text(before + begin + text + END + rest.partition(END)[2], encoding="utf-8")


if __name__ == "__main__":
    FIGURES.mkdir(exist_ok=True)
    measured = rows(Path(sys.argv[1]))
    write("omniglot", table(measured))
    curves(measured).savefig(FIGURES / "curves.png", dpi=110)
    for name, _, listed in (argument.partition("=") for argument in sys.argv[2:]):
        folders = [Path(folder) for folder in listed.split(",")]
        write(
            name,
            matrix(pd.concat([pd.read_parquet(folder / "tasks.parquet") for folder in folders])),
        )
        if len(folders) == 1:
            shutil.copyfile(folders[0] / "heatmap.png", FIGURES / f"{name}.png")
