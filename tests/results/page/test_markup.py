"""Pieces of HTML: escaped, and safe inside a script element."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from frames import Page

from workbench.results.page.markup import data_block, duration, picture, plain_number, text_list
from workbench.results.wording import NO_VALUE

BAD = "</script><!--<script>alert(1)</script>&amp;\u2028\u2029"


def test_values_for_scripts_end_no_script():
    block = data_block("data", {BAD: [BAD, 1.5, None]})
    inside = block.removeprefix('<script type="application/json" id=data>')
    inside = inside.removesuffix("</script>")
    assert not set("<>&\u2028\u2029") & set(inside)
    assert json.loads(inside) == {BAD: [BAD, 1.5, None]}
    assert Page(block).data == {BAD: [BAD, 1.5, None]}


def test_numbers_that_json_lacks_are_refused():
    assert plain_number(math.nan) is None
    assert plain_number(math.inf) is None
    assert plain_number(1 / 3) == 0.333333
    with pytest.raises(ValueError, match="JSON"):
        data_block("data", math.nan)


def test_text_is_escaped():
    assert Page(text_list([BAD])).tags == ["ul", "li"]


@pytest.mark.parametrize("channels", [1, 2, 3, 5])
def test_pictures_of_any_number_of_channels(channels):
    image = np.zeros((channels, 4, 4), np.uint8)
    parsed = Page(picture(image, BAD))
    assert parsed.tags == ["img"]
    assert parsed.loads[0].startswith("data:image/png;base64,")


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (3e-5, "30.0 µs"),
        (0.0009996, "1.00 ms"),
        (0.1234, "123 ms"),
        (0.9999, "1.00 s"),
        (90, "90.0 s"),
        (99.99, "1.7 min"),
        (7200, "2.0 h"),
        (math.nan, NO_VALUE),
        (0, NO_VALUE),  # of a method that trains nothing
    ],
)
def test_durations(seconds, words):
    assert duration(seconds) == words
