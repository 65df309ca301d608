"""Folders of small images in different colours, and their data sets."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image

from workbench.data.opening import open_dataset
from workbench.data.tables import Table


def image(shade: int) -> bytes:
    """Return a PNG file of one colour, whose red channel is the shade."""
    stream = io.BytesIO()
    Image.new("RGB", (12, 10), (shade, 255 - shade, 0)).save(stream, "PNG")
    return stream.getvalue()


def write_images(folder: Path, *names: str) -> Path:
    """Write images below a folder, each in another colour; return the folder."""
    for number, name in enumerate(names):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(image(number % 256))
    return folder


def class_folders(folder: Path, classes: int, images: int = 3) -> Path:
    """Write class folders with some images each; return the folder."""
    names = [f"class {c:02d}/{i}.png" for c in range(classes) for i in range(images)]
    return write_images(folder, *names)


def write_noise(folder: Path, classes: int, images: int, size: int = 16) -> Path:
    """Write class folders of noise, each class lighter than the one before; return the folder."""
    random = np.random.default_rng(classes)
    for number in range(classes):
        place = folder / f"class {number:02d}"
        place.mkdir(parents=True)
        for each in range(images):
            pixels = random.integers(0, 256, (size, size, 3), dtype=np.uint8)
            Image.fromarray(pixels // 2 + 6 * number).save(place / f"{each}.png")
    return folder


def tables(text: str) -> Mapping[str, Table]:
    """Return the images of a data set by split."""
    return open_dataset(text).tables


def shades(table: Table, name: str) -> list[int]:
    """Return the red channel of each image of a class."""
    at = table.names.index(name)
    images = table.images[table.starts[at] : table.starts[at + 1]]
    return [int(image[0, 0, 0]) for image in images]
