"""Images as Python programs have them: file names, PIL images, arrays and tensors.

An image of another size or another number of channels than wanted goes the way of a file
(`workbench.data.files.decode`), so an array and the PNG that it was saved as give the same pixels.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterable, Sequence, Sized
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from workbench.data.files.decode import decode
from workbench.errors import DataError

CHANNELS = (1, 3)
GREY = ("1", "L", "LA", "I", "I;16", "F")  # modes of PIL
FORMS = (
    "file names, PIL images, or arrays of 0 to 255 or 0.0 to 1.0 of the shape (n, height, width), "
    "(n, height, width, channels) or (n, channels, height, width)"
)


def as_pictures(images: Iterable[Any], shape: Sequence[int]) -> NDArray[np.uint8]:
    """Return images as uint8, `(n, channels, height, width)`.

    Args:
        images: file names, PIL images, or arrays or tensors; all in one array, or a list. Rows of
            numbers are images of the wanted shape, one after the other.
        shape: the wanted (channels, height, width).

    Raises:
        ValueError: there are none, or one cannot be read or understood.
    """
    if isinstance(images, str | os.PathLike | Image.Image):
        raise ValueError(f"Expected several images, a list or an array: {FORMS}")
    listed = as_sized(images)
    refuse_empty(listed)
    if hasattr(listed, "detach"):  # a tensor, perhaps on a GPU
        listed = listed.detach().cpu().numpy()
    if hasattr(listed, "shape") and np.ndim(listed) == 2:
        listed = _unflattened(np.asarray(listed), shape)
    pictures = [_picture(image, shape, number) for number, image in enumerate(listed)]
    return np.stack(pictures)


def shape_of(image: Any, number: int) -> tuple[int, int, int]:
    """Return (channels, height, width) of an image in any of these forms.

    Raises:
        ValueError: it cannot be read or understood.
    """
    name = f"image {number}"
    if isinstance(image, str | os.PathLike):
        image = _opened(os.fspath(image))
    if isinstance(image, Image.Image):
        return 1 if image.mode in GREY else 3, image.height, image.width
    if hasattr(image, "detach"):
        image = image.detach().cpu().numpy()
    flat = _flat(_eight_bits(np.asarray(image), name), name)
    return 1 if flat.ndim == 2 else 3, *flat.shape[:2]


def content_of(image: Any) -> bytes:
    """Return what tells an image from others: its pixels, or the content of its file."""
    if isinstance(image, str | os.PathLike):
        return _content(os.fspath(image))
    if isinstance(image, Image.Image):
        return image.mode.encode() + image.tobytes()
    if hasattr(image, "detach"):
        image = image.detach().cpu().numpy()
    values = np.asarray(image)
    return f"{values.dtype} {values.shape} ".encode() + values.tobytes()


def _opened(name: str) -> Image.Image:
    """Return a file as a PIL image whose pixels are not read yet."""
    content = _content(name)
    try:
        return Image.open(io.BytesIO(content))
    except (OSError, ValueError) as error:
        raise ValueError(f"{name} is no image that can be read") from error


def as_sized(images: Any) -> Any:
    """Return images as they are, or as an array or a list if they have no length."""
    if hasattr(images, "__len__"):
        return images
    return np.asarray(images) if hasattr(images, "__array__") else list(images)


def refuse_empty(images: Sized) -> None:
    """Raise `ValueError` if there are no images, in the words of scikit-learn."""
    if len(images) == 0:
        raise ValueError("Found 0 sample(s) while a minimum of 1 is required: give some images")


def _unflattened(rows: NDArray[Any], shape: Sequence[int]) -> NDArray[Any]:
    """Return images of rows of numbers, `(n, channels, height, width)`."""
    size = int(np.prod(shape))
    if rows.shape[1] != size:
        wanted = " x ".join(map(str, shape))
        raise ValueError(
            f"Rows of {rows.shape[1]} numbers are no images of {wanted} ({size} numbers); give "
            f"{FORMS}"
        )
    return rows.reshape(-1, *shape)


def _picture(image: Any, shape: Sequence[int], number: int) -> NDArray[np.uint8]:
    """Return one image in the wanted shape."""
    name = f"image {number}"
    if isinstance(image, str | os.PathLike):
        name = os.fspath(image)
        return _decoded(_content(name), shape, name)
    if isinstance(image, Image.Image):
        return _decoded(_file_of(image), shape, name)
    if hasattr(image, "detach"):
        image = image.detach().cpu().numpy()
    values = _eight_bits(np.asarray(image), name)
    if values.shape == tuple(shape):
        return values
    return _decoded(_file_of(Image.fromarray(_flat(values, name))), shape, name)


def _content(name: str) -> bytes:
    try:
        return Path(name).read_bytes()
    except OSError as error:
        raise ValueError(f"{name} cannot be read: {error.strerror}") from error


def _decoded(data: bytes, shape: Sequence[int], name: str) -> NDArray[np.uint8]:
    try:
        return decode(data, size=shape[-1], channels=shape[0], name=name)
    except DataError as error:
        raise ValueError(str(error)) from error


def _file_of(image: Image.Image) -> bytes:
    stream = io.BytesIO()
    image.save(stream, "PNG", compress_level=0)
    return stream.getvalue()


def _eight_bits(values: NDArray[Any], name: str) -> NDArray[np.uint8]:
    """Return the values of an image as 0 to 255."""
    if values.dtype == np.uint8:
        return values
    if values.dtype == np.bool_:
        return values.astype(np.uint8) * 255
    if not np.issubdtype(values.dtype, np.number) or np.iscomplexobj(values):
        raise ValueError(f"{name} is no image; give {FORMS}")
    if not np.isfinite(values).all():
        raise ValueError(f"{name} has values that are NaN or infinity")
    most = 1 if np.issubdtype(values.dtype, np.floating) else 255
    if values.size == 0 or values.min() < 0 or values.max() > most:
        raise ValueError(f"{name} has values outside of 0 to {most}; give {FORMS}")
    return np.rint(values.astype(np.float64) * (255 / most)).astype(np.uint8)


def _flat(values: NDArray[np.uint8], name: str) -> NDArray[np.uint8]:
    """Return an image as `(height, width)` or `(height, width, 3)`, wherever its channels are."""
    if values.ndim == 3 and values.shape[0] in CHANNELS and values.shape[-1] not in CHANNELS:
        values = values.transpose(1, 2, 0)
    if values.ndim == 3 and values.shape[-1] == 1:
        values = values[..., 0]
    if values.ndim == 2 or (values.ndim == 3 and values.shape[-1] == 3):
        return np.ascontiguousarray(values)
    raise ValueError(f"{name} has the shape {values.shape}; give {FORMS}")
