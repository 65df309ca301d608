"""Image files to uint8 pixels, the same for every kind of file that people have.

Letters: c channels, h and w height and width.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from workbench.errors import DataError

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

Crop = tuple[int, int, int, int]  # left, upper, right, lower in pixels

PIXEL_LIMIT = 64 * 2**20  # of one image
# no other is tried: for some, Pillow would start other programs
FORMATS = ("JPEG", "PNG", "GIF", "BMP", "PPM", "TIFF", "WEBP")
ORIENTATION = 0x0112  # the EXIF tag
# A JPEG is decoded at 1/2, 1/4 or 1/8 of its size if that leaves at least so many times the pixels a side that are
# wanted. On photographs: 2 to 2.6 times faster, 48 to 52 dB from the whole way (less than 1 of 255 on average).
SPARE = 2


def decode(
    data: bytes,
    *,
    size: int | None = None,
    channels: int = 3,
    crop: Crop | None = None,
    name: str = "the image",
) -> NDArray[np.uint8]:  # (c, h, w)
    """Decode an image file as grey (1 channel) or RGB (3), cropped if asked, resized to `size` x `size` if given.

    It is turned as its EXIF tag says; `crop` is in pixels of the turned image. Of an animation the first
    frame is taken. What is transparent shows white, as on paper. 16 bits are scaled to 8. Grey comes
    before resizing, which is by LANCZOS: on an image of one bit Pillow would quietly take the nearest
    pixel instead.

    Raises:
        DataError: it is none of the image formats, is damaged or too large, has pixels whose range nobody
            knows, or `crop` is not inside it. The message calls it by `name`.
    """
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            if image.width * image.height > PIXEL_LIMIT:
                raise DataError(f"{name} has {image.width:,} x {image.height:,} pixels, too many.")
            if size is not None and crop is None:
                image.draft(None, (SPARE * size, SPARE * size))
            pixels = _flat(_turned(image), "L" if channels == 1 else "RGB", name)
    except DataError:
        raise
    except UnidentifiedImageError:  # its text is an address in memory
        raise DataError(f"{name} is not an image that can be decoded.") from None
    except Exception as error:  # what decoders raise on damage is documented nowhere
        raise DataError(f"{name} is not an image that can be decoded: {error}.") from error
    if crop is not None:
        pixels = _cropped(pixels, crop, name)
    if size is not None and pixels.size != (size, size):
        pixels = pixels.resize((size, size), Image.Resampling.LANCZOS)
    array = np.asarray(pixels, dtype=np.uint8)
    return array[None] if channels == 1 else np.ascontiguousarray(array.transpose(2, 0, 1))


def _turned(image: Picture) -> Picture:
    """The image as its EXIF tag says that it is to be seen; a damaged tag says nothing."""
    from PIL import ImageOps

    try:
        upright = image.getexif().get(ORIENTATION, 1) == 1
    except Exception:  # a photograph with a damaged note on it is a photograph
        return image
    return image if upright else ImageOps.exif_transpose(image)


def _flat(image: Picture, mode: str, name: str) -> Picture:
    """The image in mode "L" or "RGB", over white, its values scaled to 8 bits."""
    from PIL import Image

    if image.mode == "F":
        raise DataError(
            f"{name} has floating-point pixels, whose range nobody knows; save it with 8 or 16 bits."
        )
    if image.mode == "I" or image.mode.startswith("I;16"):
        return Image.fromarray(_eight_bits(np.asarray(image), name)).convert(mode)
    if image.has_transparency_data:
        seen = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", seen.size, "white"), seen)
    return image.convert(mode)


def _eight_bits(values: NDArray[np.integer], name: str) -> NDArray[np.uint8]:
    """Scale 0..65535 to 0..255. Mode "I" holds 16 bits where a format has no more, else nobody knows how many."""
    if values.min() < 0 or values.max() > 0xFFFF:
        raise DataError(
            f"{name} has 32-bit pixels, whose range nobody knows; save it with 8 or 16 bits."
        )
    return ((values.astype(np.uint32) * 255 + 0x7FFF) // 0xFFFF).astype(np.uint8)


def _cropped(pixels: Picture, crop: Crop, name: str) -> Picture:
    left, upper, right, lower = crop
    if not (0 <= left < right <= pixels.width and 0 <= upper < lower <= pixels.height):
        raise DataError(
            f"{name} has {pixels.width} x {pixels.height} pixels; {crop} is not inside it."
        )
    return pixels.crop(crop)
