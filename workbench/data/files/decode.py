"""Image files to uint8 pixels, the same for every kind of image file that people have.

Letters: c channels, h and w height and width.
"""

from __future__ import annotations

import hashlib
import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Condition, Lock
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from workbench.errors import DataError

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

Crop = tuple[int, int, int, int]  # left, upper, right, lower in pixels
Levels = tuple[int, int]  # the values of 16 bits that become black and white

PIXEL_LIMIT = 64 * 2**20  # pixels of one image
THUMBNAIL = (8, 8)
EVERY_LEVEL: Levels = (0, 0xFFFF)
# Pillow would start other programs for some formats that are not listed.
FORMATS = ("JPEG", "PNG", "GIF", "BMP", "PPM", "TIFF", "WEBP")
SEVERAL = ("GIF", "PNG", "TIFF", "WEBP")  # of which one file may have several pictures
ORIENTATION = 0x0112  # the EXIF tag
# A JPEG is decoded at 1/2, 1/4 or 1/8 of its size if that leaves at least SPARE times the wanted
# pixels per side. This is 2 to 2.6 times faster. On photographs, the average difference from
# decoding in full is below 1 of 255 (48 to 52 dB). On noise and on stripes a few pixels wide it
# is up to 3 on average and up to 25 in single pixels.
# the first brands in ISO 14496-12 files, which phones and web sites write
PHONE_FORMATS = {
    b"heic": "HEIC",
    b"heix": "HEIC",
    b"mif1": "HEIF",
    b"msf1": "HEIF",
    b"avif": "AVIF",
    b"avis": "AVIF",
}
SPARE = 2

_warnings = Lock()  # Python's filters of warnings belong to the whole process


class PixelBudget:
    """How many pixels all threads together decode at once, which bounds memory.

    Pillow needs 4 bytes per pixel, and as much again for each step that makes another image.
    """

    def __init__(self, most: int):
        self._most = most
        self._used = 0
        self._freed = Condition()

    @contextmanager
    def taken(self, pixels: int) -> Iterator[None]:
        """Wait until there is room for an image. A single image always has room."""

        def fits() -> bool:
            return self._used == 0 or self._used + pixels <= self._most

        with self._freed:
            self._freed.wait_for(fits)
            self._used += pixels
        try:
            yield
        finally:
            with self._freed:
                self._used -= pixels
                self._freed.notify_all()


BUDGET = PixelBudget(PIXEL_LIMIT)


class Examined(NamedTuple):
    """What an image file contains."""

    # a hash of the pixels, in their own size if the file is no large JPEG; b"" if all are equal
    pixels: bytes
    levels: Levels | None  # the least and the greatest value, of an image with 16 bits
    several: bool = False  # whether the file has more pictures than the first, which is taken
    thumbnail: bytes = b""  # 8 x 8 grey values, which a change of format hardly alters


def decode(
    data: bytes,
    *,
    size: int | None = None,
    channels: int = 3,
    crop: Crop | None = None,
    levels: Levels = EVERY_LEVEL,
    name: str = "the image",
) -> NDArray[np.uint8]:  # (c, h, w)
    """Decode an image file to grey or RGB pixels.

    The image is turned as its EXIF tag says, then converted, cropped and resized, in this order.
    Transparent pixels become white, as on paper. Of an animation, the first frame is taken.
    Resizing uses LANCZOS; it follows the conversion to grey because Pillow would resize an image of
    one bit by nearest neighbour. A large JPEG that is only resized is decoded at a fraction of its
    size, see `SPARE`.

    Args:
        data: the content of the file.
        size: height and width of the result; by default, the image keeps its own.
        channels: 1 for grey, 3 for RGB.
        crop: the part to keep, in pixels of the turned image.
        levels: the values of 16-bit pixels that become 0 and 255; those between are scaled, those
            outside are cut. Scans often use few of the 65,536 values. Other images ignore it.
        name: what messages call the image.

    Raises:
        DataError: the file is in none of the known formats, is damaged, has more than `PIXEL_LIMIT`
            pixels or pixels of an unknown range, or `crop` does not lie inside the image.
    """
    from PIL import Image

    reduced = None if crop is not None else size
    with _picture(data, reduced, name) as picture:
        pixels = _flat(picture, "L" if channels == 1 else "RGB", levels, name)
        if crop is not None:
            pixels = _cropped(pixels, crop, name)
        if size is not None and pixels.size != (size, size):
            pixels = pixels.resize((size, size), Image.Resampling.LANCZOS)
        array = np.asarray(pixels, dtype=np.uint8)  # (h, w) or (h, w, c)
    if channels == 1:
        return array[None]
    return np.ascontiguousarray(array.transpose(2, 0, 1))


def examine(data: bytes, *, size: int, name: str = "the image") -> Examined:
    """Say what an image file contains that is to be decoded at `size`.

    Raises:
        DataError: it cannot be decoded, see `decode`.
    """
    from PIL import Image

    with _picture(data, size, name) as picture:
        grey = _flat(picture, "L", EVERY_LEVEL, name)  # it may refuse
        thumbnail = grey.resize(THUMBNAIL, Image.Resampling.BOX).tobytes()
        levels = None
        if _is_wide(picture):
            levels = _levels_of(np.asarray(picture), name)
        elif picture.has_transparency_data:
            picture = picture.convert("RGBA")
        else:
            picture = picture.convert("RGB")
        values = np.ascontiguousarray(picture)  # (h, w) or (h, w, c)
        several = _has_several(data)
        if (values == values[:1, :1]).all():
            return Examined(b"", levels, several)
        pixels = hashlib.sha256(f"{picture.mode} {picture.size}".encode())
        pixels.update(values.data)
    return Examined(pixels.digest(), levels, several, thumbnail)


def _has_several(data: bytes) -> bool:
    """Return whether a file is an animation or has several pages."""
    with _opened(data) as image:
        if image.format not in SEVERAL:
            return False
        try:
            return bool(getattr(image, "is_animated", False))
        except (OSError, EOFError, SyntaxError, ValueError):  # the next picture is damaged
            return True


@contextmanager
def _picture(data: bytes, size: int | None, name: str) -> Iterator[Picture]:
    """Open an image, decoded and turned, in the mode of its file.

    Given a size, the image may be smaller than it was stored, but not much smaller than that.
    Errors of a decoder become a `DataError`, also those of what is done with the image.
    """
    from PIL import Image, UnidentifiedImageError

    try:
        with _opened(data) as image:
            stored = image.width * image.height
            if stored > PIXEL_LIMIT:
                raise DataError(
                    f"{name} has {image.width:,} x {image.height:,} pixels, too many: "
                    f"the limit is {PIXEL_LIMIT:,}."
                )
            if size is not None:
                image.draft(None, (SPARE * size, SPARE * size))
            pixels = image.width * image.height
            if "progressive" in image.info:  # such a JPEG is in memory as a whole all the same
                pixels = stored
            with BUDGET.taken(pixels):
                # first, because reading EXIF loads a PNG too, and damage must not pass for its tag
                image.load()
                yield _turned(image)
    except DataError:
        raise
    except UnidentifiedImageError:  # its text is an address in memory
        raise DataError(f"{name} is not an image that can be decoded{_kind(data)}.") from None
    except Image.DecompressionBombError:
        raise DataError(f"{name} has too many pixels: the limit is {PIXEL_LIMIT:,}.") from None
    except Exception as error:  # what decoders raise on damage is documented nowhere
        raise DataError(f"{name} is not an image that can be decoded: {error}.") from error


def _kind(data: bytes) -> str:
    """Say what a file is that is often named .jpg but is none; "" for all others."""
    if data[4:8] == b"ftyp" and data[8:12] in PHONE_FORMATS:
        return f", but {PHONE_FORMATS[data[8:12]]}; save it as PNG or JPEG"
    return ""


def _opened(data: bytes) -> Picture:
    """Open an image; its pixels are not decoded yet."""
    from PIL import Image

    with _without_warnings():  # about its size, which is checked here, and about damaged tags
        return Image.open(io.BytesIO(data), formats=FORMATS)


@contextmanager
def _without_warnings() -> Iterator[None]:
    """Keep Pillow's warnings from the user, who cannot do anything about them."""
    with _warnings, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _turned(image: Picture) -> Picture:
    """Turn a decoded image as its EXIF tag says."""
    from PIL import ImageOps

    try:
        with _without_warnings():
            orientation = image.getexif().get(ORIENTATION, 1)
    except Exception:  # a damaged tag does not make the photograph unreadable
        return image
    if orientation == 1:
        return image
    return ImageOps.exif_transpose(image)


def _flat(image: Picture, mode: str, levels: Levels, name: str) -> Picture:
    """Convert an image to mode "L" or "RGB", over white, with its values scaled to 8 bits."""
    from PIL import Image

    if image.mode == "F":
        raise DataError(
            f"{name} has floating-point pixels of unknown range; save it with 8 or 16 bits."
        )
    if _is_wide(image):
        return Image.fromarray(_eight_bits(np.asarray(image), levels, name)).convert(mode)
    if image.has_transparency_data:
        transparent = image.convert("RGBA")
        white = Image.new("RGBA", transparent.size, "white")
        image = Image.alpha_composite(white, transparent)
    if image.mode == mode:  # converting would copy it
        return image
    return image.convert(mode)


def _is_wide(image: Picture) -> bool:
    """Return whether the pixels have 16 bits, or 32."""
    return image.mode == "I" or image.mode.startswith("I;16")


def _levels_of(values: NDArray[np.integer], name: str) -> Levels:
    """Return the least and the greatest value.

    Mode "I" holds 16 bits in formats that have no more; in others, the range is unknown.
    """
    least, greatest = int(values.min()), int(values.max())
    if least < 0 or greatest > 0xFFFF:
        raise DataError(f"{name} has 32-bit pixels of unknown range; save it with 8 or 16 bits.")
    return least, greatest


def _eight_bits(values: NDArray[np.integer], levels: Levels, name: str) -> NDArray[np.uint8]:
    """Scale the values between the two levels to 0..255, and cut the others."""
    _levels_of(values, name)
    black, white = levels
    span = max(white - black, 1)
    inside = np.clip(np.arange(0x10000) - black, 0, span)  # of each possible value
    eight_bits = ((inside * 255 + span // 2) // span).astype(np.uint8)
    return np.take(eight_bits, values)


def _cropped(pixels: Picture, crop: Crop, name: str) -> Picture:
    left, upper, right, lower = crop
    if not (0 <= left < right <= pixels.width and 0 <= upper < lower <= pixels.height):
        raise DataError(
            f"{name} has {pixels.width} x {pixels.height} pixels; the crop {crop} is not inside it."
        )
    return pixels.crop(crop)
