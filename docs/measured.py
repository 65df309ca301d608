"""Write the table of docs/results.md, and its learning curves, from run folders: `python docs/measured.py runs`.

A row for each evaluation of at least 1,000 tasks; where several runs of a method answer for one place, the
best on validation. A panel of curves for each form of tasks. Units: percent, points, minutes.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from workbench import recipes, runs, specs
from workbench.plugins import registry
from workbench.report import parts, summary
from workbench.runs import Run

PAGE = Path(__file__).with_name("results.md")
FIGURE = Path(__file__).with_name("figures") / "curves.png"
MARKS = ("<!-- what follows is written by docs/measured.py -->\n", "\n<!-- up to here -->")
HEAD = "| method | trained on, tested on | task | measured, % | published, % | difference | steps | time | command |"
TASKS = 1000  # that an evaluation must have


def rows(folder: Path) -> list[dict[str, Any]]:
    """The cells of all finished runs, best run of a place first."""
    found = []
    for run in runs.find([folder]):
        frame = run.evaluations() if run.finished else None
        if frame is None or frame.empty:
            continue
        for cell in summary(frame).to_dict("records"):
            if cell["episodes"] >= TASKS and cell["instance"] == 0:
                validated = run.about["result"].get("best_val_accuracy", 0.0)
                command = re.sub(r" --out(=| )\S+", "", run.about.get("command", ""))  # nobody else's folder
                steps = run.about["result"]["steps"]
                more = {"validated": validated, "command": command, "steps": steps, "parts": parts(frame)}
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
    return "\n".join([HEAD, "|---" * (HEAD.count("|") - 1) + "|", *(lines[place] for place in sorted(lines))])


def curves(found: list[dict[str, Any]]) -> Figure:
    """Validation accuracy against minutes of training, of the runs in the table."""
    chosen: dict[tuple[int, int], dict[str, Run]] = {}
    for cell in found:
        plan = cell["from"].about["plan"]  # a run may be judged at other ways than it was validated at
        chosen.setdefault((plan["val_ways"], plan["val_shots"]), {}).setdefault(cell["algorithm"], cell["from"])
    figure, axes = plt.subplots(len(chosen), 1, figsize=(8, 4.2 * len(chosen)), squeeze=False, layout="constrained")
    for axis, ((ways, shots), of_method) in zip(axes.flat, sorted(chosen.items()), strict=True):
        for number, (method, run) in enumerate(sorted(of_method.items())):
            curve = run.curve().dropna(subset=["val_accuracy"])
            minutes, accuracy = curve["seconds"] / 60, 100 * curve["val_accuracy"]
            axis.plot(minutes, accuracy, marker=".", color=f"C{number % 10}", ls="-:"[number // 10], label=method)
        axis.set_ylim(80 if shots == 1 else 95, 100)
        axis.set_title(f"Omniglot, {ways}-way {shots}-shot")
        axis.set_xlabel("minutes of training")
        axis.set_ylabel("validation accuracy, %")
        axis.grid(alpha=0.3)
        axis.legend(fontsize="small", loc="center left", bbox_to_anchor=(1, 0.5), frameon=False)
    return figure


def _line(cell: dict[str, Any]) -> str:
    data = cell["test_on"] if cell["train_on"] == cell["test_on"] else f"{cell['train_on']}, {cell['test_on']}"
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


def _published(cell: dict[str, Any]) -> tuple[recipes.Published | None, str]:
    """The published number of a cell, and a mark where it was reached with another backbone or other options."""
    entry = registry().find("algorithms", cell["algorithm"])
    where = {key: cell[key] for key in ("train_on", "test_on", "protocol", "ways", "shots")}
    exact = recipes.matching(entry, cell["all_options"], where, cell["backbone"])
    if exact:
        return exact, ""
    place = (cell["train_on"], cell["test_on"], cell["protocol"], cell["ways"], cell["shots"])
    near = [n for n in recipes.published(entry) if (n.train_on, n.data, n.drawn, n.ways, n.shots) == place]
    options = specs.parse(f"{entry.name}:{cell['all_options']}").options if cell["all_options"] else {}
    fitting = [number for number in near if number.options.items() <= options.items()]
    variant = [number for number in fitting if number.options] or fitting
    return (variant[0], " †") if variant else (None, "")


if __name__ == "__main__":
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(MARKS[0])
    measured = rows(Path(sys.argv[1]))
    made = table(measured)
    FIGURE.parent.mkdir(exist_ok=True)
    curves(measured).savefig(FIGURE, dpi=110)
    PAGE.write_text(before + MARKS[0] + made + MARKS[1] + rest.partition(MARKS[1])[2], encoding="utf-8")
