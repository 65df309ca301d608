"""Image files of every kind, and files that are no images."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis.extra.numpy import arrays
from picture_files import photograph, png, saved
from PIL import Image
from places import SHARED, needs_published

from workbench.data.files import decode as decoding
from workbench.data.files.archive import Archive
from workbench.data.files.decode import decode
from workbench.errors import DataError

few = settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def pixel(data: bytes, **how: Any) -> tuple[int, ...]:
    return tuple(decode(data, **how)[:, 0, 0].tolist())


# --- right pixels


@few
@given(arrays(np.uint8, (5, 7, 3)))
def test_rgb_is_unchanged(pixels):
    assert (decode(png(pixels)) == pixels.transpose(2, 0, 1)).all()


@few
@given(arrays(np.uint8, (5, 7)))
def test_grey_is_unchanged_and_in_colour_repeated(pixels):
    assert (decode(png(pixels), channels=1) == pixels[None]).all()
    assert (decode(png(pixels)) == np.stack([pixels] * 3)).all()


def test_grey_of_one_bit_is_antialiased():
    stripes = np.arange(56) % 2 > np.zeros((56, 1))
    grey = decode(png(stripes), size=28, channels=1)
    assert grey.shape == (1, 28, 28)
    assert 100 < grey.mean() < 155  # neither stripe was picked alone
    assert decode(png(stripes), channels=1).shape == (1, 56, 56)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "BMP", "GIF", "PPM", "TIFF", "WEBP"])
def test_one_pixel(kind):
    for channels in (1, 3):
        image = decode(
            saved(Image.new("RGB", (1, 1), (200, 200, 200)), kind), size=84, channels=channels
        )
        assert image.shape == (channels, 84, 84)
        assert np.ptp(image) == 0
        assert abs(int(image[0, 0, 0]) - 200) <= 2


def test_palette():
    image = photograph(20, 20).quantize(16)
    assert (decode(saved(image)) == np.asarray(image.convert("RGB")).transpose(2, 0, 1)).all()


@pytest.mark.parametrize("mode", ["LA", "PA", "RGBA"])
def test_transparent_shows_white(mode):
    image = Image.new("RGBA", (2, 1), (0, 0, 0, 0))
    image.putpixel((1, 0), (0, 0, 0, 255))
    data = (
        saved(image, "GIF") if mode == "PA" else saved(image.convert(mode))
    )  # a palette with a transparent entry
    assert decode(data)[:, 0].tolist() == [[255, 0]] * 3
    assert decode(data, channels=1)[:, 0].tolist() == [[255, 0]]


def test_half_transparent_is_half_white():
    assert pixel(saved(Image.new("RGBA", (1, 1), (255, 0, 0, 128)))) == (255, 127, 127)


@pytest.mark.parametrize(
    ("mode", "key"), [("P", 0), ("P", b"\0"), ("L", 0), ("RGB", (0, 0, 0)), ("1", 0)]
)
def test_one_transparent_colour_shows_white(mode, key):
    assert pixel(saved(Image.new(mode, (1, 1)), transparency=key)) == (255, 255, 255)


def test_an_opaque_alpha_channel_changes_nothing():
    image = photograph(20, 20)
    assert (decode(saved(image.convert("RGBA"))) == decode(saved(image))).all()


@pytest.mark.parametrize("ink", [(0, 0, 0, 0), (0, 255, 255, 0), (0, 0, 0, 255)])
def test_cmyk(ink):
    image = Image.new("CMYK", (16, 16), ink)
    expected = image.convert("RGB").getpixel((0, 0))
    assert pixel(saved(image, "TIFF")) == expected
    assert np.abs(np.subtract(pixel(saved(image, "JPEG", quality=95)), expected)).max() <= 3


@pytest.mark.parametrize("values", [[0, 1, 128, 129, 32768, 65535], [7] * 6])
@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_sixteen_bits_are_scaled_not_cut(kind, values):
    image = Image.fromarray(np.array([values], np.uint16))
    expected = np.round(np.array(values) * 255 / 65535).tolist()
    assert decode(saved(image, kind), channels=1)[0].tolist() == [expected]
    assert decode(saved(image, kind))[1].tolist() == [expected]


def test_sixteen_bits_in_big_endian_order():
    image = Image.frombytes("I;16B", (2, 1), np.array([256, 65535], ">u2").tobytes())
    assert decode(saved(image, "TIFF"), channels=1)[0].tolist() == [[1, 255]]


def test_thirty_two_bits_that_are_sixteen():
    assert pixel(saved(Image.fromarray(np.array([[65535]], np.int32)), "TIFF"), channels=1) == (
        255,
    )


def test_sixteen_bits_between_given_levels():
    values = np.array([[900, 1000, 1001, 1255, 4000]], np.uint16)
    data = saved(Image.fromarray(values))
    assert decode(data, channels=1, levels=(1000, 1255))[0].tolist() == [[0, 0, 1, 255, 255]]
    assert decode(data, channels=1, levels=(4000, 4000))[0].max() == 0  # no division by zero
    plain = np.array([[0, 100, 255]], np.uint8)
    assert decode(png(plain), channels=1, levels=(1000, 1255))[0].tolist() == plain.tolist()


@pytest.mark.parametrize(
    ("pixels", "message"),
    [
        (np.array([[65536]], np.int32), "32-bit pixels of unknown range"),
        (np.array([[-1]], np.int32), "32-bit pixels of unknown range"),
        (np.array([[0.5]], np.float32), "floating-point pixels of unknown range"),
    ],
)
def test_pixels_of_unknown_range_are_refused(pixels, message):
    with pytest.raises(DataError, match=f"^a.tif has {message}; save it with 8 or 16 bits"):
        decode(saved(Image.fromarray(pixels), "TIFF"), name="a.tif")


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("turn", range(1, 9))
def test_turned_as_exif_says(kind, turn):
    from PIL import ImageOps

    exif = Image.Exif()
    exif[0x0112] = turn
    data = saved(photograph(400, 240), kind, exif=exif.tobytes())
    seen = ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB")
    assert seen.size == ((240, 400) if turn > 4 else (400, 240))
    assert (decode(data) == np.asarray(seen).transpose(2, 0, 1)).all()
    small = np.asarray(seen.resize((20, 20), Image.Resampling.LANCZOS)).transpose(2, 0, 1)
    assert np.abs(decode(data, size=20) - small.astype(int)).mean() < 1


def test_damaged_exif_is_ignored():
    data = saved(photograph(8, 8), "JPEG", exif=b"Exif\0\0MM\0*\0\0\0\x08\xff\xff")
    assert decode(data).shape == (3, 8, 8)


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "TIFF"])
def test_first_frame_of_several(kind):
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue", "lime")]
    how = {"lossless": True} if kind == "WEBP" else {}
    data = saved(frames[0], kind, save_all=True, append_images=frames[1:], **how)
    assert pixel(data) == (255, 0, 0)


def step_by_step(data: bytes) -> np.ndarray:
    """Convert and resize a drawing by Pillow, one step at a time."""
    grey = Image.open(io.BytesIO(data)).convert("L")
    return np.asarray(grey.resize((28, 28), Image.Resampling.LANCZOS))


def test_a_drawing_of_one_bit_as_decoded_step_by_step():
    for seed in range(5):
        bits = np.random.default_rng(seed).random((105, 105)) > 0.8
        data = png(bits)
        assert Image.open(io.BytesIO(data)).mode == "1"
        assert (decode(data, size=28, channels=1)[0] == step_by_step(data)).all()


@needs_published("images_background_small1.zip")
def test_omniglot_as_decoded_step_by_step():
    with Archive(SHARED / "images_background_small1.zip") as archive:
        for name in list(archive.images())[::90]:
            data = archive.read(name)
            assert (decode(data, size=28, channels=1)[0] == step_by_step(data)).all()


# --- sizes


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
@pytest.mark.parametrize(
    ("width", "height"), [(500, 375), (200, 900), (84, 84), (30, 20), (168, 168)]
)
def test_resized_as_by_pillow(kind, width, height):
    """A large JPEG is decoded at a fraction of its size; the difference is invisible."""
    data = saved(photograph(width, height), kind)
    plain = Image.open(io.BytesIO(data)).convert("RGB").resize((84, 84), Image.Resampling.LANCZOS)
    difference = np.abs(decode(data, size=84).astype(int) - np.asarray(plain).transpose(2, 0, 1))
    assert difference.mean() < (1 if kind == "JPEG" and min(width, height) >= 4 * 84 else 1e-9)
    assert difference.max() < 40


def test_large_jpeg_is_not_decoded_in_full(monkeypatch):
    sizes = []
    real = decoding._flat
    monkeypatch.setattr(
        decoding, "_flat", lambda image, *how: sizes.append(image.size) or real(image, *how)
    )
    data = saved(photograph(1600, 1200), "JPEG")
    decode(data, size=84)
    decode(data)
    decode(data, size=84, crop=(0, 0, 1600, 1200))
    assert sizes == [(400, 300), (1600, 1200), (1600, 1200)]


def test_crop_is_before_resizing_and_after_turning():
    exif = Image.Exif()
    exif[0x0112] = 6  # stored on its side: 40 x 24 is seen as 24 x 40
    data = saved(photograph(40, 24), exif=exif.tobytes())
    whole = decode(data)
    assert (decode(data, crop=(3, 30, 20, 40)) == whole[:, 30:40, 3:20]).all()
    part = decode(data, crop=(3, 30, 20, 40), size=8)
    assert (
        part == decode(png(np.ascontiguousarray(whole[:, 30:40, 3:20].transpose(1, 2, 0))), size=8)
    ).all()


@pytest.mark.parametrize(
    "crop", [(-1, 0, 5, 5), (0, 0, 11, 5), (0, 0, 5, 9), (5, 0, 5, 5), (0, 6, 5, 5)]
)
def test_crop_that_is_not_inside(crop):
    with pytest.raises(
        DataError, match=r"^a\.png has 10 x 8 pixels; the crop \(.*\) is not inside it"
    ):
        decode(png(np.zeros((8, 10), np.uint8)), crop=crop, name="a.png")
