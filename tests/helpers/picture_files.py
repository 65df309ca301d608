"""Image files made in memory."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from PIL import Image


def saved(image: Image.Image, kind: str = "PNG", **how: Any) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **how)
    return stream.getvalue()


def png(pixels: np.ndarray) -> bytes:
    return saved(Image.fromarray(pixels))


def photograph(width: int, height: int) -> Image.Image:
    """Return an image with smooth and sharp parts, like a photograph."""
    y, x = np.mgrid[:height, :width]
    x, y = x / width, y / height
    waves = [127 + 100 * np.sin((9 + 3 * c) * x) * np.cos((7 + c) * y) for c in range(3)]
    pixels = np.stack(waves, axis=-1)
    pixels[height // 3 : height // 2, width // 4 : width // 2] = (250, 20, 60)
    return Image.fromarray(pixels.astype(np.uint8))
