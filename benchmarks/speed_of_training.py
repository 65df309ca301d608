"""Speed of training, and of the supply of tasks."""

from __future__ import annotations

import io
from collections.abc import Iterator
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from timing import Bench, Comparison, fastest_of_three, seconds_of
from torch import Tensor

from workbench.learning.training import Training
from workbench.tasks.protocols.way_shot import WayShot
from workbench.tasks.sampling import BLOCK
from workbench.tasks.source import Source


def maml_steps(bench: Bench) -> Iterator[Comparison]:
    """Take ten second-order meta-steps of 32 tasks, stacked and task by task."""
    seconds = []
    for stack in (32, 1):
        spec = f"maml:meta_batch=32,train_queries=1,validate_every=0,steps=10,stack={stack}"
        training = bench.training(spec, WayShot(5, 1, 1), stack=stack)
        seconds.append(seconds_of(partial(train, training)))
    yield Comparison("10 MAML steps of 32 tasks, second order", *seconds, "one task after another")


def task_supply(bench: Bench) -> Iterator[Comparison]:
    """Supply tasks of 5 ways and 20 images per class on one core."""
    what = "10,000 tasks of 100 images supplied, one core"
    timed = 50
    count = 20 * BLOCK
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    source = Source(bench.data.domains("train"), WayShot(5, 1, 19))
    files = png_files(bench, source, timed)

    def from_files() -> None:
        for rows in rows_of_tasks(source, timed):
            torch.stack([decode_png(files[row]) for row in rows])

    def from_tensor() -> None:
        for rows in rows_of_tasks(source, timed):
            torch.stack([source.parts[0][row] for row in rows])

    references = {"PNG bytes": from_files, "a tensor": from_tensor}
    for kind, reference in references.items():
        seconds = fastest_of_three(lambda: gather_stacks(source, count)) * 10_000 / count
        usual = seconds_of(reference) * 10_000 / timed
        yield Comparison(what, seconds, usual, f"image by image from {kind}, {timed} timed")
    torch.set_num_threads(threads)


def gather_stacks(source: Source, count: int) -> None:
    """Gather the images of tasks in stacks."""
    for rows in source.stacks(0, count, BLOCK):
        source.gather(rows.support.ravel())
        source.gather(rows.query.ravel())


def rows_of_tasks(source: Source, count: int) -> Iterator[list[int]]:
    """Yield the rows of the images of each task."""
    for rows in source.stacks(0, count, 1):
        yield [*rows.support[0], *rows.query[0]]


def png_files(bench: Bench, source: Source, count: int) -> dict[int, bytes]:
    """Encode the images of tasks as PNG files in memory, by row."""
    images = bench.data.members[0].table("train").images
    files = {}
    for rows in rows_of_tasks(source, count):
        for row in rows:
            files[row] = encode_png(images[row])
    return files


def encode_png(image: NDArray[np.uint8]) -> bytes:
    """Return an image (channels, height, width) as a PNG file."""
    buffer = io.BytesIO()
    Image.fromarray(np.squeeze(image.transpose(1, 2, 0))).save(buffer, "PNG")
    return buffer.getvalue()


def decode_png(data: bytes) -> Tensor:
    """Read an image from the bytes of a PNG file."""
    return torch.from_numpy(np.array(Image.open(io.BytesIO(data))))


def training_rate(bench: Bench) -> Iterator[str]:
    """Train on 40 tasks of 360 images: forward, backward and optimiser step."""
    spec = "protonet:train_ways=60,train_queries=5,steps=40,validate_every=0"
    training = bench.training(spec, WayShot(60, 1, 5))
    rate = 40 * 360 / seconds_of(partial(train, training))
    yield f"ProtoNet training: {rate:,.0f} images per second (conv4, 60-way 1-shot, 5 queries)"


def train(training: Training) -> None:
    """Take all steps."""
    for _ in training.steps():
        pass
