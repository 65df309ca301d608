"""Files that annotate images and are no tables: JSON as COCO writes it, XML as Pascal VOC does.

Those of YOLO are texts, each called like its image, with the numbers of classes and boxes. Pickles
and binary tables are searched for names of images.
They are looked at only to learn whether they name images that are there, and whether they say the
same as the folders. Nothing in XML is expanded: its texts and attributes are searched as they are.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath
from typing import Any, NamedTuple

from workbench.data.files.archive import Archive
from workbench.data.image_folder.image_lookup import ImageLookup
from workbench.data.image_folder.image_table import ENOUGH, is_image_name
from workbench.errors import DataError

JSON = (".json", ".geojson")
SHEETS = (".xlsx", ".ods")
SHEET_TEXTS = ("xl/sharedStrings.xml", "xl/worksheets/sheet1.xml", "content.xml")
BINARY = (
    ".pkl",
    ".pickle",
    ".parquet",
    ".arrow",
    ".feather",
)  # texts in them, where they are plain
ANNOTATIONS = (*JSON, ".xml", *SHEETS, *BINARY)
FILES = 200  # that are read: data sets may have one for each image
LIMIT = 2**25  # bytes of a file that are read: JSON takes ten times as much when it is read
LABEL_KEYS = ("label", "labels", "class", "category", "name", "species", "title", "class_name")
DEPTH = 40  # of lists and objects in one another; deeper ones are not looked at

BOX = re.compile(r"(\d+)((?: -?\d*\.?\d+){4,})\s*")  # a line of YOLO: a class and a box or outline
FILE = re.compile(r"[\w ./\\-]{1,500}?\.[A-Za-z]{2,4}")  # a name of a file among other bytes
STRING = re.compile(r'"((?:[^"\\]|\\.){1,1000})"')
XML_IMAGE = re.compile(r"<(?:image|annotation|sample|item)\b")  # where another image begins
XML_FOLDER = re.compile(r"<(folder|path)>[^<]*</\1>")  # folders of another machine, no labels
XML_TEXT = re.compile(r'>([^<>]{1,1000})<|"([^"<>]{1,1000})"')
XML_LABEL = re.compile(r'<(?:name|label|class)>([^<]*)<|(?:label|class)="([^"]*)"')


class Annotation(NamedTuple):
    """What a file says about an image."""

    image: str  # its name in the archive
    label: str  # what is in it; "" if that is not known


class Annotations(NamedTuple):
    """What all files that annotate images say about them."""

    files: list[str]  # those that name images
    found: list[Annotation]
    complete: bool  # False: not all files, or not all of one, were read

    @property
    def images(self) -> set[str]:
        """The images that they name."""
        return {each.image for each in self.found}


def read_annotations(archive: Archive, images: Sequence[str]) -> Annotations:
    """Return what files say about images, as far as it is cheap to find out."""
    lookup = ImageLookup(images)
    names = [name for name in archive.names if _may_annotate(name, lookup)]
    result = Annotations([], [], complete=len(names) <= FILES)
    if not names:
        return result
    for name in names[:: -(-len(names) // FILES)]:
        text, whole = _text(archive, name)
        found = list(_annotations(name, text, lookup))
        if found:
            result.files.append(name)
            result.found.extend(found)
            result = result._replace(complete=result.complete and whole)
    return result


def _text(archive: Archive, name: str) -> tuple[str, bool]:
    """Return the first part of the text of a file, and whether that is all; "" for damaged ones."""
    if not name.lower().endswith(SHEETS):
        with archive.open(name) as file:
            return file.read(LIMIT).decode("utf-8-sig", errors="replace"), not file.read(1)
    try:
        with archive.inner(name) as book:
            for part in SHEET_TEXTS:
                if part in book.names:
                    return _text(book, part)
    except DataError:
        pass
    return "", True


def _may_annotate(name: str, lookup: ImageLookup) -> bool:
    """Return whether a file is of a kind that annotates, or a text that is called like an image."""
    path = PurePosixPath(name)
    if path.suffix.lower() in ANNOTATIONS:
        return True
    return path.suffix.lower() in ("", ".txt") and bool(lookup.find(path.stem, "").images)


def _annotations(name: str, text: str, lookup: ImageLookup) -> Iterator[Annotation]:
    """Yield what a file says about images, the labels as far as they are known."""
    stem = PurePosixPath(name).stem
    if name.lower().endswith(JSON):
        pairs = _from_json(text)
    elif name.lower().endswith(SHEETS):
        texts = [inner or quoted for inner, quoted in XML_TEXT.findall(text)]
        pairs = [(each, "") for each in texts if is_image_name(each)]
    elif name.lower().endswith(BINARY):
        pairs = [(each, "") for each in FILE.findall(text) if is_image_name(each)]
    elif name.lower().endswith(".txt"):
        pairs = _from_boxes(text, stem)
    else:
        pairs = _from_xml(text) or _of_one_image(text, stem)
    sure = any(is_image_name(file) for file, _ in pairs)
    matches = [(lookup.find(file, name).images, label) for file, label in pairs]
    named = [(images[0], label) for images, label in matches if len(images) == 1]
    # words that are names of files without their suffixes may be so by chance
    if not sure and len(named) < ENOUGH * len(pairs):
        return
    for image, label in named:
        yield Annotation(image, label)


# --- JSON


def _from_json(text: str) -> list[tuple[str, str]]:
    """Return the strings that may be names of images, each with its label."""
    try:
        content = json.loads(text)
        pairs = list(_pairs(content, _categories(content), 0))
    except (ValueError, RecursionError):  # cut off, or one object in each line
        pairs = []
    if any(is_image_name(file) for file, _ in pairs):
        return pairs
    strings = dict.fromkeys(STRING.findall(text))
    files = [string for string in strings if is_image_name(string)]
    return [(file, "") for file in files] or pairs


def _categories(content: Any) -> dict[str, str]:
    """Return the categories of the images of COCO, by the key of the image."""
    if not isinstance(content, dict):
        return {}
    names: dict[str, str] = {}
    for each in _objects(content.get("categories")):
        names[str(each.get("id"))] = str(each.get("name", ""))
    found: dict[str, set[str]] = {}
    for each in _objects(content.get("annotations")):
        label = names.get(str(each.get("category_id")), "")
        found.setdefault(str(each.get("image_id")), set()).add(label)
    return {image: ",".join(sorted(labels)) for image, labels in found.items()}


def _objects(value: Any) -> list[dict[str, Any]]:
    if not isinstance(value, list):
        return []
    return [each for each in value if isinstance(each, dict)]


def _pairs(value: Any, categories: dict[str, str], depth: int) -> Iterator[tuple[str, str]]:
    """Yield each string that may name an image, with the label beside it."""
    if depth > DEPTH:
        return
    if isinstance(value, list):
        for each in value:
            if isinstance(each, str):
                yield each, ""
            else:
                yield from _pairs(each, categories, depth + 1)
    if not isinstance(value, dict):
        return
    files = [each for each in value.values() if isinstance(each, str) and is_image_name(each)]
    if files:
        label = categories.get(str(value.get("id")), "")
        yield files[0], label or ",".join(sorted(set(_labels(value, 0))))
        return
    for key, each in value.items():
        if isinstance(each, str | int):
            yield key, str(each)
        elif is_image_name(key):
            yield key, ",".join(sorted(set(_labels(each, 0))))
        else:
            yield from _pairs(each, categories, depth + 1)


def _labels(value: Any, depth: int) -> Iterator[str]:
    """Yield the labels in what is said about one image."""
    if depth > DEPTH:
        return
    if isinstance(value, list):
        for each in value:
            yield from _labels(each, depth + 1)
    if isinstance(value, dict):
        for key, each in value.items():
            if key.lower() in LABEL_KEYS and isinstance(each, str | int):
                yield str(each)
            else:
                yield from _labels(each, depth + 1)


# --- texts


def _from_boxes(text: str, stem: str) -> list[tuple[str, str]]:
    """Return the image that is called like a text of YOLO, with the numbers of its classes."""
    lines = [BOX.fullmatch(line) for line in text.splitlines() if line.strip()]
    numbers = {line[1] for line in lines if line}
    if not lines or None in lines:
        return []
    return [(stem, ",".join(sorted(numbers)))]


# --- XML


def _of_one_image(text: str, stem: str) -> list[tuple[str, str]]:
    """Return the image that is called like its file of XML, with the labels in it."""
    labels = {html.unescape(inner or quoted).strip() for inner, quoted in XML_LABEL.findall(text)}
    if not labels or not text.lstrip().startswith("<"):
        return []
    return [(stem, ",".join(sorted(labels)))]


def _from_xml(text: str) -> list[tuple[str, str]]:
    """Return the first text of each image that names a file, and the labels after it."""
    pairs = []
    for part in XML_IMAGE.split(XML_FOLDER.sub("", text)):
        texts = [html.unescape(inner or quoted) for inner, quoted in XML_TEXT.findall(part)]
        files = [each for each in texts if is_image_name(each.strip())]
        if files:
            labels = {inner or quoted for inner, quoted in XML_LABEL.findall(part)}
            labels = {html.unescape(label).strip() for label in labels}
            pairs.append((files[0], ",".join(sorted(labels - set(files)))))
    return pairs
