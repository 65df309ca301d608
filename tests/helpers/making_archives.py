"""Small archives of images; each has one colour, which says its class and its number there."""

from __future__ import annotations

import gzip
import io
import struct
import tarfile
import zipfile
import zlib

import numpy as np
from PIL import Image

SPLITS = ("train", "val", "test")
Files = dict[str, bytes]  # members of an archive, or files in a folder
EACH = 3  # images per class


def shade(name: str, number: int) -> tuple[int, int, int]:
    """Return the colour of an image of a class."""
    code = zlib.crc32(f"{name} {number}".encode())
    return code & 255, code >> 8 & 255, code >> 16 & 255


def picture(
    colour: tuple[int, ...], kind: str = "JPEG", size: tuple[int, int] = (20, 16), box=None
) -> bytes:
    """Return an image file of one colour; with a box, it is white outside the box."""
    image = Image.new("RGB", size, "white" if box else colour)
    if box:
        image.paste(colour, box)
    stream = io.BytesIO()
    image.save(stream, kind, **({"quality": 95, "subsampling": 0} if kind == "JPEG" else {}))
    return stream.getvalue()


NOISE = np.random.default_rng(0).bytes(
    40_000
)  # archives of images of one colour are compressed more than is allowed


def tar(members: Files, mode: str = "w:gz") -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode=mode) as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return stream.getvalue()


def zipped(members: Files) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return stream.getvalue()


def some(lists: dict[str, list[str]], count: int = 2) -> dict[str, list[str]]:
    """Return the first classes of each split."""
    return {split: sorted(names)[:count] for split, names in lists.items()}


def photographs(classes: dict[str, list[str]], path: str, kind: str = "JPEG") -> Files:
    """Return three images per class, named by a template of class and number."""
    every = sorted(name for names in classes.values() for name in names)
    return {
        path.format(name=n, number=i): picture(shade(n, i), kind)
        for n in every
        for i in range(EACH)
    }


def gzipped(content: bytes) -> bytes:
    return gzip.compress(content, mtime=0)  # without a timestamp


def idx(array: np.ndarray) -> bytes:
    head = struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape)
    return gzipped(head + array.astype(np.uint8).tobytes())
