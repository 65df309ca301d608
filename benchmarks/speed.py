"""Speed compared with reference implementations, as ratios within one run on one machine.

    make bench
    python benchmarks/speed.py heads baseline        # only these parts

Uses Omniglot if it is downloaded, otherwise the built-in glyphs. References are timed on a few
tasks and scaled up; the number of timed tasks is printed.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import speed_of_evaluation as evaluation
import speed_of_training as training
import torch
from rich.console import Console
from rich.table import Table
from timing import Bench, Comparison, open_data, seconds_of

from workbench.learning.device import keep_freed_memory, select_device

HEADINGS = ("task", "workbench, s", "reference, s", "speed-up", "reference")


def main() -> None:
    """Run all parts, or those named, and print the results."""
    parser = argparse.ArgumentParser(description="Measure speed, compared with references.")
    names = [*COMPARISONS, *RATES]
    parser.add_argument(
        "parts", nargs="*", metavar="PART", help=f"{', '.join(names)}; if omitted, all"
    )
    parser.add_argument("--device", default="auto")
    arguments = parser.parse_args()
    for part in arguments.parts:
        if part not in names:
            parser.error(f"unknown part {part}; the parts are {', '.join(names)}")
    parts = arguments.parts or names
    keep_freed_memory()
    bench = Bench(open_data(), select_device(arguments.device))
    print_comparisons(bench, parts)
    print_rates(bench, parts)


def print_comparisons(bench: Bench, parts: list[str]) -> None:
    """Print one table with the rows of the given parts."""
    threads = torch.get_num_threads()
    title = f"{bench.data.label}, {bench.device}, {threads} threads, torch {torch.__version__}"
    table = Table(*HEADINGS, title=title)
    for name, compare in COMPARISONS.items():
        if name not in parts:
            continue
        for row in compare(bench):
            ratio = row.reference_seconds / row.seconds
            table.add_row(
                row.task,
                short(row.seconds),
                short(row.reference_seconds),
                f"{ratio:.0f}" if ratio > 5 else f"{ratio:.1f}",
                row.reference,
            )
    if table.rows:
        Console(width=130).print(table)


def print_rates(bench: Bench, parts: list[str]) -> None:
    """Print one line for each rate of the given parts."""
    for name, measure in RATES.items():
        if name in parts:
            for line in measure(bench):
                print(line)


def short(seconds: float) -> str:
    """Format seconds with two or three digits."""
    if seconds >= 1:
        return f"{seconds:.1f}"
    return f"{seconds:.2g}"


def start_up(_: Bench) -> Iterator[str]:
    """Run short commands in processes of their own."""
    program = Path(sys.executable).with_name("mlw")
    for command in ("--help", "list"):
        run = partial(subprocess.run, [program, command], check=True, capture_output=True)
        seconds = statistics.median(seconds_of(run) for _ in range(5))
        yield f"mlw {command}: {seconds:.2f} s (median of 5)"


COMPARISONS: dict[str, Callable[[Bench], Iterator[Comparison]]] = {
    "protonet": evaluation.protonet_tasks,
    "baseline": evaluation.baseline_tasks,
    "heads": evaluation.heads,
    "maml": training.maml_steps,
    "supply": training.task_supply,
}
RATES: dict[str, Callable[[Bench], Iterator[str]]] = {
    "varying": evaluation.varying_tasks,
    "training": training.training_rate,
    "start": start_up,
}


if __name__ == "__main__":
    main()
