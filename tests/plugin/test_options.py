"""Specs, and the options of constructors that they set."""

from typing import Annotated, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.errors import PluginError, UsageError
from workbench.plugin.options import (
    Above,
    AtLeast,
    Option,
    Spec,
    convert_options,
    filled_parameters,
    options_of,
    options_text,
    parse_options,
    parse_spec,
)


class Method:
    def __init__(
        self,
        backbone,
        ways: int,
        *,
        steps: Annotated[int, "how many"] = 5,
        rate: Annotated[float | None, "how fast"] = None,
        exact: Annotated[bool, "whether"] = False,
        mode: Annotated[Literal["a", "b"], "which"] = "a",
    ):
        pass


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("maml", {}),
        ("maml:lr=1", {"lr": "1"}),
        ("maml:lr=1e-4,steps=5", {"lr": "1e-4", "steps": "5"}),
        ("vit:weights=/a,b/c:1.pt", {"weights": "/a,b/c:1.pt"}),
        ("vit:weights=/a,b/c:1.pt,size=3", {"weights": "/a,b/c:1.pt", "size": "3"}),
        ("x:expression=a=b", {"expression": "a=b"}),
    ],
)
def test_parse(text, options):
    assert parse_spec(text) == Spec(text.partition(":")[0], options)


@pytest.mark.parametrize(
    "text", ["maml:", ":lr=1", "maml:lr", "maml:lr=1,lr=2", "maml:=1", "maml:1a=2", ""]
)
def test_invalid_specs_are_usage_errors(text):
    with pytest.raises(UsageError):
        parse_spec(text)


identifiers = st.from_regex(r"[a-z_][a-z0-9_]{0,5}", fullmatch=True)
values = st.text("abc123:/.=-", min_size=1, max_size=8)


@given(identifiers, st.dictionaries(identifiers, values, max_size=4))
def test_a_spec_printed_and_parsed_is_the_same(name, options):
    assert parse_spec(str(Spec(name, options))) == Spec(name, options)


def test_options_as_text():
    assert parse_options("") == {}
    assert parse_options("lr=1e-4,steps=5") == {"lr": "1e-4", "steps": "5"}
    with pytest.raises(UsageError, match="'lr' in 'lr' is not key=value"):
        parse_options("lr")
    assert options_text({"exact": True, "rate": None, "steps": 5}) == "exact=true,rate=none,steps=5"


def test_options_and_filled_parameters_come_from_the_signature():
    assert filled_parameters(Method) == ("backbone", "ways")
    options = options_of(Method)
    assert [(o.name, o.type_name, o.default) for o in options.values()] == [
        ("steps", "int", 5),
        ("rate", "float or none", None),
        ("exact", "bool", False),
        ("mode", "a|b", "a"),
    ]


def test_values_are_converted_to_the_types():
    given = {"steps": "7", "rate": "1e-3", "exact": "true", "mode": "b"}
    assert convert_options("m", given, options_of(Method)) == {
        "steps": 7,
        "rate": 0.001,
        "exact": True,
        "mode": "b",
    }
    assert convert_options("m", {"rate": "none"}, options_of(Method)) == {"rate": None}
    assert convert_options("m", {"rate": 1}, options_of(Method)) == {"rate": 1.0}


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (
            {"step": "3"},
            ["no option 'step'", "Did you mean steps?", "rate (float or none)", "mode (a|b)"],
        ),
        ({"steps": "1.5"}, ["Invalid value m:steps=1.5: must be int (how many)"]),
        ({"steps": True}, ["m:steps=True"]),
        ({"exact": "maybe"}, ["bool"]),
        ({"mode": "c"}, ["a|b"]),
        ({"rate": "fast"}, ["float or none"]),
    ],
)
def test_an_invalid_option_says_what_is_valid(given, words):
    with pytest.raises(UsageError) as error:
        convert_options("m", given, options_of(Method))
    assert all(word in str(error.value) for word in words)


def test_an_option_needs_annotation_help_and_default():
    class Bare:
        def __init__(self, *, steps=1):
            pass

    class Required:
        def __init__(self, *, steps: Annotated[int, "how many"]):
            pass

    for target in (Bare, Required):
        with pytest.raises(PluginError, match="steps"):
            options_of(target)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_floats_survive_as_text(value):
    assert Option("x", float, 0.0, "").convert(str(value), "m") == value


@pytest.mark.parametrize("value", ["inf", "-inf", "nan", float("inf")])
def test_a_number_is_finite(value):
    with pytest.raises(UsageError, match=r"Invalid value m:x=.*: must be a finite number"):
        Option("x", float, 0.0, "").convert(value, "m")


class Bounded:
    def __init__(
        self,
        *,
        steps: Annotated[int | None, "how many", AtLeast(1)] = None,
        rate: Annotated[float, "how fast", Above(0)] = 0.1,
    ):
        pass


def test_numbers_within_bounds():
    options = options_of(Bounded)
    assert convert_options("m", {"steps": "1", "rate": "1e-9"}, options) == {
        "steps": 1,
        "rate": 1e-9,
    }
    assert convert_options("m", {"steps": "none"}, options) == {"steps": None}


@pytest.mark.parametrize(
    ("key", "value", "bound"),
    [
        ("steps", "0", "at least 1"),
        ("steps", -3, "at least 1"),
        ("rate", "0", "above 0"),
        ("rate", "nan", "above 0"),
    ],
)
def test_numbers_out_of_bounds_are_one_sentence(key, value, bound):
    with pytest.raises(UsageError, match=rf"^Invalid value m:{key}={value}: must be {bound} \(how"):
        convert_options("m", {key: value}, options_of(Bounded))
