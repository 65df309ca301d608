"""Write the table of docs/results.md from run folders: `python docs/measured.py runs`.

A row for each evaluation of at least 1,000 tasks; where several runs of a method answer for one place, the
best on validation. Units: percent, points, minutes.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

from workbench import runs
from workbench.report import parts, summary

PAGE = Path(__file__).with_name("results.md")
MARKS = ("<!-- what follows is written by docs/measured.py -->\n", "\n<!-- up to here -->")
HEAD = "| method | trained on, tested on | task | measured, % | published, % | difference | training | command |"
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
                found.append({**cell, "validated": validated, "command": command, "parts": parts(frame)})
    return sorted(found, key=lambda cell: -cell["validated"])


def table(found: list[dict[str, Any]]) -> str:
    """The table in Markdown, by data, task and method."""
    lines: dict[tuple[Any, ...], str] = {}
    for cell in found:
        place = (cell["train_on"], cell["test_on"], cell["ways"], cell["shots"], cell["method"])
        lines.setdefault(place, _line(cell))
    return "\n".join([HEAD, "|---" * (HEAD.count("|") - 1) + "|", *(lines[place] for place in sorted(lines))])


def _line(cell: dict[str, Any]) -> str:
    data = cell["test_on"] if cell["train_on"] == cell["test_on"] else f"{cell['train_on']}, {cell['test_on']}"
    known = cell["published"] == cell["published"]  # not a number: none is known
    spread = f" ± {cell['published_interval']:g}" if cell["published_interval"] == cell["published_interval"] else ""
    star = r" \*" if cell["transductive"] else ""
    columns = [
        cell["algorithm"] + star,
        data + (" (a part)" if cell["parts"] else ""),
        f"{cell['ways']}-way {cell['shots']}-shot",
        f"{100 * cell['accuracy']:.2f} ± {100 * cell['interval']:.2f}",
        f"{cell['published']:g}{spread}" if known else "",
        f"{100 * cell['accuracy'] - cell['published']:+.2f}" if known else "",
        f"{cell['train_seconds'] / 60:.0f} min",
        f"`{cell['command']}`" if cell["command"] else "",
    ]
    return f"| {' | '.join(columns)} |"


if __name__ == "__main__":
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(MARKS[0])
    made = table(rows(Path(sys.argv[1])))
    PAGE.write_text(before + MARKS[0] + made + MARKS[1] + rest.partition(MARKS[1])[2], encoding="utf-8")
