"""What image files contain, files that are refused, and the memory that decoding takes."""

from __future__ import annotations

import io
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from picture_files import photograph, png, saved
from PIL import Image

from workbench.data.files import decode as decoding
from workbench.data.files.decode import decode, examine
from workbench.errors import DataError

few = settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def one_line(error: Exception) -> None:
    assert "\n" not in str(error)


# --- what a file contains


def test_levels_of_sixteen_bits():
    wide = saved(Image.fromarray(np.array([[7, 4095]], np.uint16)), "TIFF")
    assert examine(wide, size=8).levels == (7, 4095)
    assert examine(png(np.array([[7]], np.uint8)), size=8).levels is None


def test_the_same_pixels_in_files_of_several_kinds():
    image = photograph(30, 20)
    kinds = ["PNG", "BMP", "PPM", "TIFF"]
    assert len({examine(saved(image, kind), size=8).pixels for kind in kinds}) == 1
    turned = image.transpose(Image.Transpose.ROTATE_90)
    clear = image.convert("RGBA")
    clear.putpixel((0, 0), (255, 255, 255, 0))
    others = [image, turned, image.resize((20, 30)), clear, image.quantize(8), image.convert("L")]
    assert len({examine(saved(other), size=8).pixels for other in others}) == len(others)


def test_what_cannot_be_decoded_cannot_be_examined():
    for data in (b"text", saved(Image.fromarray(np.array([[0.5]], np.float32)), "TIFF")):
        with pytest.raises(DataError):
            examine(data, size=8)


# --- memory


def test_threads_share_the_pixels_that_are_decoded_at_once():
    budget = decoding.PixelBudget(100)
    inside: list[int] = []
    seen: list[int] = []

    def decode_one(pixels: int) -> None:
        with budget.taken(pixels):
            inside.append(pixels)
            seen.append(sum(inside))
            time.sleep(0.001)
            inside.remove(pixels)

    sizes = [30, 60, 500, 20, 100, 40, 70, 10] * 4
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(decode_one, sizes))
    assert max(total for total in seen if total != 500) <= 100  # the large one was alone
    assert len(seen) == len(sizes)


@pytest.mark.parametrize(
    ("how", "pixels"),
    [({}, 400 * 300), ({"progressive": True}, 1600 * 1200), ({"kind": "PNG"}, 1600 * 1200)],
)
def test_an_image_takes_its_pixels_from_the_budget(monkeypatch, how, pixels):
    taken: list[int] = []

    class Watched(decoding.PixelBudget):
        def taken(self, pixels):
            taken.append(pixels)
            return super().taken(pixels)

    monkeypatch.setattr(decoding, "BUDGET", Watched(10))
    decode(saved(photograph(1600, 1200), **{"kind": "JPEG", **how}), size=84)
    assert taken == [pixels]


# --- no image


def test_too_many_pixels_is_one_sentence_and_no_warning():
    """Pillow warns from 89 million pixels; warnings are errors here."""
    for side in (9_500, 14_000):
        data = saved(Image.new("1", (side, side)))
        with pytest.raises(DataError, match=r"^a has .*too many.*: the limit is 67,108,864\.$"):
            decode(data, name="a")


def test_a_file_that_is_no_image(monkeypatch):
    with pytest.raises(DataError, match="x is not an image that can be decoded"):
        decode(b"text", name="x")
    whole = png(np.zeros((50, 50), np.uint8))
    monkeypatch.setattr(decoding, "PIXEL_LIMIT", 2499)
    with pytest.raises(DataError, match="50 x 50 pixels, too many"):
        decode(whole)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "BMP", "GIF", "PPM", "TIFF", "WEBP"])
def test_cut_off(kind):
    data = saved(photograph(64, 64), kind)
    for length in (0, 1, 10, len(data) // 2, len(data) - 40):
        with pytest.raises(DataError, match="the image is not an image that can be decoded"):
            decode(data[:length], size=84)


def test_decompression_bomb_is_not_decoded():
    import struct
    import tracemalloc
    import zlib

    def chunk(kind: bytes, content: bytes) -> bytes:
        return (
            struct.pack(">I", len(content))
            + kind
            + content
            + struct.pack(">I", zlib.crc32(kind + content))
        )

    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    data = (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(10**7)))
    )
    tracemalloc.start()
    with pytest.raises(DataError, match=r"too many|can be decoded"):
        decode(data)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 10**7


@pytest.mark.parametrize(
    "data",
    [
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n"
        b"9 9 moveto\nshowpage\n%%EOF\n",
        saved(Image.new("RGB", (4, 4)), "PDF"),
        b"8BPS\0\1" + bytes(40),
    ],
)
def test_formats_that_are_not_listed_are_not_tried(data):
    with pytest.raises(DataError, match="is not an image that can be decoded"):
        decode(data)


def flipped(data: bytes, times: int) -> Iterator[bytes]:
    """Yield copies of a file with one bit flipped behind its header."""
    random = np.random.default_rng(0)
    for _ in range(times):
        content = bytearray(data)
        content[random.integers(50, len(data) - 12)] ^= 1 << random.integers(8)
        yield bytes(content)


@pytest.mark.parametrize(
    ("kind", "how"),
    [
        ("PNG", {}),
        ("JPEG", {}),
        ("GIF", {}),
        ("BMP", {}),
        ("TIFF", {"compression": "tiff_adobe_deflate"}),
        ("WEBP", {}),
    ],
)
def test_what_pillow_refuses_is_refused(kind, how):
    """Some formats cannot tell one flipped bit; none that is told passes for an image."""
    refused = 0
    for content in flipped(saved(photograph(60, 50), kind, **how), 40):
        try:
            with Image.open(io.BytesIO(content)) as image:
                image.load()
        except Exception:
            refused += 1
            with pytest.raises(DataError, match="is not an image that can be decoded"):
                decode(content)
        else:
            decode(content)
    assert refused == 40 or kind != "PNG"  # it has a checksum in each part


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "BMP", "GIF", "PPM", "TIFF", "WEBP"])
@few
@given(data=st.data())
def test_damage_gives_one_line(kind, data):
    content = bytearray(saved(photograph(20, 20), kind))
    for position in data.draw(st.lists(st.integers(0, len(content) - 1), min_size=1, max_size=3)):
        content[position] = data.draw(st.integers(0, 255))
    try:
        shape = decode(bytes(content), size=8).shape
    except DataError as error:
        one_line(error)
    else:
        assert shape == (3, 8, 8)


def test_a_photograph_of_a_phone_that_is_called_jpg_says_what_it_is():
    heic = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(100)
    with pytest.raises(DataError, match=r"^1.jpg is not an .* decoded, but HEIC; save it as PNG"):
        decode(heic, name="1.jpg")


@pytest.mark.skipif(
    ".avif" not in Image.registered_extensions(), reason="this Pillow writes no AVIF"
)
def test_an_avif_image_says_what_it_is():
    stream = io.BytesIO()
    Image.new("RGB", (16, 16), "red").save(stream, "AVIF")
    with pytest.raises(DataError, match=r"decoded, but AVIF; save it as PNG or JPEG\.$"):
        decode(stream.getvalue(), name="1.jpg")
