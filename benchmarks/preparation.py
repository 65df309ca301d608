"""How long it takes to prepare the images of an archive, against the decoder alone, and how much memory.

    python benchmarks/preparation.py ARCHIVE... [--size 84]

The decoder alone: one thread, files in memory, the images thrown away, by the time that it computed.
Each archive is prepared in a process of its own, into a cache that is removed afterwards.
"""

from __future__ import annotations

import argparse
import os
import resource
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

from rich.console import Console
from rich.table import Table

from workbench.data.dataset import Dataset, ImageClass
from workbench.data.files.archive import Archive
from workbench.data.files.decode import decode
from workbench.data.prepared import prepare

PORTION = 600  # images of a class, as in miniImageNet
ALONE = 3000  # images that the decoder alone is timed on


class Everything(Dataset):
    """The images of one archive in the order of their names, so many a class."""

    def __init__(self, *, size: int):
        self.size = size

    def classes(self, split: str, files: Mapping[str, Path]) -> Iterator[ImageClass]:
        if split != "train":
            return
        with Archive(*files.values()) as archive:
            names = list(archive.images())
            for first in range(0, len(names), PORTION):
                yield ImageClass(
                    f"{first}", archive.stack(names[first : first + PORTION], size=self.size)
                )


class Measured(NamedTuple):
    images: int
    seconds: float  # to prepare them all
    cores: float  # that it got meanwhile, on average; fewer than there are on a busy machine
    peak: float  # bytes of memory until then
    alone: float  # images a second of one core, all of it


def measure(path: Path, size: int) -> Measured:
    """Time one archive; to be called in a process of its own, whose memory is asked for."""
    with tempfile.TemporaryDirectory() as cache:
        os.environ["MLW_CACHE"] = cache
        began, work = time.perf_counter(), time.process_time()
        tables = prepare(
            "measured", Everything(size=size), {path.name: path}, {path.name: "not asked"}
        )
        seconds, peak = time.perf_counter() - began, _peak()
        cores = (time.process_time() - work) / seconds
        images = len(tables["train"].images)
    with Archive(path) as archive:
        files = [archive.read(name) for name in list(archive.images())[:: max(1, images // ALONE)]]
    work = time.process_time()
    for file in files:
        decode(file, size=size)
    return Measured(images, seconds, cores, peak, len(files) / (time.process_time() - work))


def _peak() -> float:
    unit = 1 if sys.platform == "darwin" else 1024
    return float(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit)


def main() -> None:
    """Measure each archive and print one table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("archives", nargs="+", type=Path)
    parser.add_argument("--size", type=int, default=84)
    options = parser.parse_args()
    table = Table(title=f"{options.size} x {options.size} pixels, {os.cpu_count()} cores")
    for heading in (
        "archive",
        "images",
        "prepared, s",
        "images/s",
        "cores got",
        "decoder alone, images/s",
        "peak memory",
    ):
        table.add_column(heading)
    for path in options.archives:
        with ProcessPoolExecutor(1, get_context("spawn")) as pool:
            found = pool.submit(measure, path, options.size).result()
        rate = found.images / found.seconds
        counts = f"{found.images:,}", f"{found.seconds:.1f}", f"{rate:,.0f}", f"{found.cores:.2f}"
        table.add_row(path.name, *counts, f"{found.alone:,.0f}", f"{found.peak / 2**20:.0f} MiB")
    Console(width=130).print(table)


if __name__ == "__main__":
    main()
