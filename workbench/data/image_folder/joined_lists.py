"""Lists that only together say the class of each image, as CUB-200-2011 and NABirds come.

`images.txt` numbers the images, `image_class_labels.txt` gives the number of the class of each, and
`classes.txt`, if it is there, the names of classes. They are read as one table.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePosixPath

from workbench.data.files.archive import Archive
from workbench.data.image_folder.table_file import TableFile, decode_text

IMAGES, LABELS, CLASSES = "images.txt", "image_class_labels.txt", "classes.txt"


def joined_lists(archive: Archive) -> list[TableFile]:
    """Return the tables that lists make, called as the lists of images."""
    return [_joined(archive, parts) for parts in parts_of_lists(archive.names)]


def parts_of_lists(names: Sequence[str]) -> list[list[str]]:
    """Return the files of each table: of images, of their classes, and of the names of classes."""
    there = set(names)
    found = []
    for name in names:
        path = PurePosixPath(name)
        labels = str(path.with_name(LABELS))
        if path.name != IMAGES or labels not in there:
            continue
        parts = [name, labels]
        classes = str(path.with_name(CLASSES))
        if classes in there:
            parts.append(classes)
        found.append(parts)
    return found


def _joined(archive: Archive, parts: list[str]) -> TableFile:
    """Return a table of image files and labels."""
    images, labels, *classes = [_by_number(archive, part) for part in parts]
    names = classes[0] if classes else {}
    rows = [["filename", "label"]]
    for number, image in images.items():
        label = labels.get(number, "")
        rows.append([image, names.get(label, label)])
    return TableFile(parts[0], rows, has_header=True)


def _by_number(archive: Archive, name: str) -> dict[str, str]:
    """Return what stands behind the first word of each line, by that word."""
    found = {}
    for line in decode_text(archive.read(name)).splitlines():
        number, _, rest = line.strip().partition(" ")
        if number:
            found[number] = rest.strip()
    return found
