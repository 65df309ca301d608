"""What is left out of a folder: which files, and why."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePosixPath

from workbench.data.image_folder.record import counted, listing

OTHER_TABLES = (".json", ".ods", ".parquet", ".pkl", ".xls", ".xlsx", ".xml")
# why files with these suffixes are not read, and what helps
REASONS = {
    "images of this kind are not read; save them as PNG or JPEG": (
        ".arw .avif .cr2 .dcm .dng .exr .hdr .heic .heif .ico .j2k .jp2 .jxl .mat .nef .nii .npy "
        ".npz .psd .svg .tga"
    ),
    "save images in it as PNG or JPEG, and a table in it as .csv": (
        ".arrow .feather .h5 .hdf5 .lmdb .mdb .parquet .pickle .pkl .pt .tfrecord .tfrecords"
    ),
    "tables are read from .csv, .tsv, .jsonl and .txt": ".json .ods .xls .xlsx .xml",
    "archives in it are not opened; unpack them": ".7z .gz .rar .tar .tgz .zip",
}
SHOWN = 3  # names of each kind


def left_out(names: Sequence[str]) -> list[str]:
    """Return in words which files are ignored, and why; nothing if there are none.

    Files of one kind are put together: "5 other files ignored: 4 .heic (a.heic, b.heic, c.heic and
    1 more: images of this kind are not read; save them as PNG or JPEG); notes.txt".
    """
    if not names:
        return []
    kinds: dict[str, list[str]] = {}
    for name in names:
        kinds.setdefault(PurePosixPath(name).suffix.lower(), []).append(name)
    texts = []
    for suffix, members in sorted(kinds.items(), key=lambda kind: -len(kind[1])):
        texts.append(_kind(suffix, members))
    return [f"{counted(len(names), 'other file')} ignored: {'; '.join(texts)}"]


def _kind(suffix: str, names: list[str]) -> str:
    reason = _reason(suffix)
    shown = listing(names, SHOWN)
    if not reason and len(names) <= SHOWN:
        return shown
    if reason:
        shown += f": {reason}"
    return f"{len(names):,} {suffix or 'without suffix'} ({shown})"


def _reason(suffix: str) -> str:
    for reason, suffixes in REASONS.items():
        if suffix in suffixes.split():
            return reason
    return ""
