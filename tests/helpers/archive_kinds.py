"""Archives of every kind, written for the tests that read them."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import stat
import tarfile
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

GZIP = partial(gzip.compress, mtime=0)  # no time in the result
COMPRESS: dict[str, Callable[[bytes], bytes]] = {
    "gz": GZIP,
    "bz2": bz2.compress,
    "xz": lzma.compress,
}
TARS = ["tar", "tar.gz", "tar.bz2", "tar.xz"]
KINDS = ["zip", *TARS, "folder"]
Member = tuple[str | zipfile.ZipInfo | tarfile.TarInfo, bytes]


def png(pixels: np.ndarray) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()


def write_zip(path: Path, *members: Member, method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in members:
            assert not isinstance(name, tarfile.TarInfo)
            archive.writestr(name, content)
    return path


def tar_bytes(*members: Member, layout: int = tarfile.PAX_FORMAT) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=layout) as archive:
        for name, content in members:
            info = name if isinstance(name, tarfile.TarInfo) else tarfile.TarInfo(str(name))
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return stream.getvalue()


def write_tar(path: Path, *members: Member, layout: int = tarfile.PAX_FORMAT) -> Path:
    """Write a tar, compressed as the suffix of the path says; return the path."""
    content = tar_bytes(*members, layout=layout)
    path.write_bytes(COMPRESS.get(path.suffix[1:], bytes)(content))
    return path


def write(kind: str, folder: Path, *members: Member) -> Path:
    """Write members to an archive of one of KINDS in a folder; return its path."""
    if kind == "zip":
        return write_zip(folder / "x.zip", *members)
    if kind in TARS:
        return write_tar(folder / f"x.{kind}", *members)
    for name, content in members:
        place = folder / "x" / str(name)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)
    return folder / "x"


def link(name: str) -> zipfile.ZipInfo:
    return special(name, stat.S_IFLNK)


def special(name: str, mode: int) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.external_attr = (mode | 0o777) << 16
    return info


def entry(name: str, kind: bytes, target: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


def one_line(error: Exception) -> None:
    assert "\n" not in str(error)
