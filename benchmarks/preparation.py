"""Time and memory to prepare the images of an archive, compared with the decoder alone.

    python benchmarks/preparation.py ARCHIVE... [--size 84]

The decoder alone runs in one thread on files in memory and discards the images; its CPU time is
counted. Each archive is prepared in a process of its own, into a cache that is removed
afterwards.
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

IMAGES_PER_CLASS = 600  # as in miniImageNet
DECODED_ALONE = 3000  # images that the decoder alone is timed on
HEADINGS = (
    "archive",
    "images",
    "prepared, s",
    "images/s",
    "cores used",
    "decoder alone, images/s",
    "peak memory",
)


class AllImages(Dataset):
    """The images of one archive in the order of their names, in classes of equal size."""

    def __init__(self, *, size: int):
        self.size = size

    def classes(self, split: str, files: Mapping[str, Path]) -> Iterator[ImageClass]:
        """Yield all images as training classes."""
        if split != "train":
            return
        with Archive(*files.values()) as archive:
            names = list(archive.images())
            for first in range(0, len(names), IMAGES_PER_CLASS):
                some = names[first : first + IMAGES_PER_CLASS]
                yield ImageClass(str(first), archive.stack(some, size=self.size))


class Measurement(NamedTuple):
    """What was measured on one archive."""

    images: int
    seconds: float  # to prepare all images
    cores: float  # used meanwhile, on average; fewer than there are on a busy machine
    peak: float  # bytes of memory
    decoder_rate: float  # images per second of CPU time on one core


def main() -> None:
    """Measure each archive and print one table."""
    parser = argparse.ArgumentParser(description="Measure the preparation of archives.")
    parser.add_argument("archives", nargs="+", type=Path)
    parser.add_argument("--size", type=int, default=84)
    options = parser.parse_args()
    title = f"{options.size} x {options.size} pixels, {os.cpu_count()} cores"
    table = Table(*HEADINGS, title=title)
    for path in options.archives:
        with ProcessPoolExecutor(1, get_context("spawn")) as pool:
            found = pool.submit(measure, path, options.size).result()
        table.add_row(
            path.name,
            f"{found.images:,}",
            f"{found.seconds:.1f}",
            f"{found.images / found.seconds:,.0f}",
            f"{found.cores:.2f}",
            f"{found.decoder_rate:,.0f}",
            f"{found.peak / 2**20:.0f} MiB",
        )
    Console(width=130).print(table)


def measure(path: Path, size: int) -> Measurement:
    """Measure one archive. Call it in a new process, because the peak memory is the process's."""
    with tempfile.TemporaryDirectory() as cache:
        os.environ["MLW_CACHE"] = cache
        began = time.perf_counter()
        cpu_began = time.process_time()
        files = {path.name: path}
        checksums = {path.name: "not computed"}
        tables = prepare("measured", AllImages(size=size), files, checksums)
        seconds = time.perf_counter() - began
        cores = (time.process_time() - cpu_began) / seconds
        peak = peak_memory()
        images = len(tables["train"].images)
    return Measurement(images, seconds, cores, peak, decoder_rate(path, size, images))


def decoder_rate(path: Path, size: int, images: int) -> float:
    """Return images per second of CPU time that the decoder alone reaches."""
    with Archive(path) as archive:
        every = max(1, images // DECODED_ALONE)
        names = list(archive.images())[::every]
        files = [archive.read(name) for name in names]
    began = time.process_time()
    for file in files:
        decode(file, size=size)
    return len(files) / (time.process_time() - began)


def peak_memory() -> float:
    """Return the peak resident memory of this process, in bytes."""
    unit = 1 if sys.platform == "darwin" else 1024
    return float(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit)


if __name__ == "__main__":
    main()
