"""Image files to uint8 pixels, the same for every kind of image file that people have.

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

PIXEL_LIMIT = 64 * 2**20  # pixels of one image
# Pillow would start other programs for some formats that are not listed.
FORMATS = ("JPEG", "PNG", "GIF", "BMP", "PPM", "TIFF", "WEBP")
ORIENTATION = 0x0112  # the EXIF tag
# A JPEG is decoded at 1/2, 1/4 or 1/8 of its size if that leaves at least SPARE times the wanted
# pixels per side. On photographs this is 2 to 2.6 times faster, and 48 to 52 dB from decoding in
# full (an average difference below 1 of 255).
SPARE = 2


def decode(
    data: bytes,
    *,
    size: int | None = None,
    channels: int = 3,
    crop: Crop | None = None,
    name: str = "the image",
) -> NDArray[np.uint8]:  # (c, h, w)
    """Decode an image file to grey or RGB pixels.

    The image is turned as its EXIF tag says, then converted, cropped and resized, in this order.
    Transparent pixels become white, as on paper. Values of 16 bits are scaled to 8. Of an
    animation, the first frame is taken. Resizing uses LANCZOS; it follows the conversion to grey
    because Pillow would resize an image of one bit by nearest neighbour.

    Args:
        data: the content of the file.
        size: height and width of the result; by default, the image keeps its own.
        channels: 1 for grey, 3 for RGB.
        crop: the part to keep, in pixels of the turned image.
        name: what messages call the image.

    Raises:
        DataError: the file is in none of the known formats, is damaged, has more than `PIXEL_LIMIT`
            pixels or pixels of an unknown range, or `crop` does not lie inside the image.
    """
    from PIL import Image

    pixels = _decoded(data, size, channels, crop, name)
    if crop is not None:
        pixels = _cropped(pixels, crop, name)
    if size is not None and pixels.size != (size, size):
        pixels = pixels.resize((size, size), Image.Resampling.LANCZOS)
    array = np.asarray(pixels, dtype=np.uint8)  # (h, w) or (h, w, c)
    if channels == 1:
        return array[None]
    return np.ascontiguousarray(array.transpose(2, 0, 1))


def _decoded(data: bytes, size: int | None, channels: int, crop: Crop | None, name: str) -> Picture:
    """Return the turned image in mode "L" or "RGB", larger than `size` or in full size."""
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            if image.width * image.height > PIXEL_LIMIT:
                raise DataError(
                    f"{name} has {image.width:,} x {image.height:,} pixels, too many: "
                    f"the limit is {PIXEL_LIMIT:,}."
                )
            if size is not None and crop is None:
                image.draft(None, (SPARE * size, SPARE * size))
            return _flat(_turned(image), "L" if channels == 1 else "RGB", name)
    except DataError:
        raise
    except UnidentifiedImageError:  # its text is an address in memory
        raise DataError(f"{name} is not an image that can be decoded.") from None
    except Exception as error:  # what decoders raise on damage is documented nowhere
        raise DataError(f"{name} is not an image that can be decoded: {error}.") from error


def _turned(image: Picture) -> Picture:
    """Turn an image as its EXIF tag says."""
    from PIL import ImageOps

    try:
        orientation = image.getexif().get(ORIENTATION, 1)
    except Exception:  # a damaged tag does not make the photograph unreadable
        return image
    if orientation == 1:
        return image
    return ImageOps.exif_transpose(image)


def _flat(image: Picture, mode: str, name: str) -> Picture:
    """Convert an image to mode "L" or "RGB", over white, with its values scaled to 8 bits."""
    from PIL import Image

    if image.mode == "F":
        raise DataError(
            f"{name} has floating-point pixels of unknown range; save it with 8 or 16 bits."
        )
    if image.mode == "I" or image.mode.startswith("I;16"):
        return Image.fromarray(_eight_bits(np.asarray(image), name)).convert(mode)
    if image.has_transparency_data:
        transparent = image.convert("RGBA")
        white = Image.new("RGBA", transparent.size, "white")
        image = Image.alpha_composite(white, transparent)
    return image.convert(mode)


def _eight_bits(values: NDArray[np.integer], name: str) -> NDArray[np.uint8]:
    """Scale 0..65535 to 0..255.

    Mode "I" holds 16 bits in formats that have no more; in others, the range is unknown.
    """
    if values.min() < 0 or values.max() > 0xFFFF:
        raise DataError(f"{name} has 32-bit pixels of unknown range; save it with 8 or 16 bits.")
    return ((values.astype(np.uint32) * 255 + 0x7FFF) // 0xFFFF).astype(np.uint8)


def _cropped(pixels: Picture, crop: Crop, name: str) -> Picture:
    left, upper, right, lower = crop
    if not (0 <= left < right <= pixels.width and 0 <= upper < lower <= pixels.height):
        raise DataError(
            f"{name} has {pixels.width} x {pixels.height} pixels; the crop {crop} is not inside it."
        )
    return pixels.crop(crop)
