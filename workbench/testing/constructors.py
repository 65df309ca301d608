"""What a constructor of a plugin may ask for, and what it must do with its options."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from workbench.learning.learner import Learner
from workbench.learning.settings import settings_options
from workbench.plugin.options import filled_parameters, option_text, options_of
from workbench.plugin.recipes import published_numbers
from workbench.plugin.registry import registry

FILLED = {  # what the workbench passes to a constructor, by kind
    "algorithms": {"backbone", "ways", "classes", "domains", "image_shape", "teachers", "seen"},
    "backbones": {"image_shape"},
    "datasets": set(),
}


def check_constructor(kind: str, name: str) -> None:
    """Check that options are annotated, can be written as text, and clash with no setting.

    Args:
        kind: "algorithms", "backbones" or "datasets".
    """
    registration = registry().find(kind, name)
    target = registration.load()
    options = options_of(target)  # raises if an annotation, a help text or a default is missing
    unknown = set(filled_parameters(target)) - FILLED[kind]
    assert not unknown, (
        f"{name} asks the workbench to fill in {sorted(unknown)}, and for {kind} it can fill in "
        f"{sorted(FILLED[kind])}; options come after a * in the constructor"
    )
    for option in options.values():
        text = option_text(option.default)
        assert option.convert(text, name) == option.default, (
            f"the default of an option must be readable from text, and "
            f"{name}:{option.name}={text} gives another value"
        )
    if kind == "algorithms":
        assert issubclass(target, Learner), f"{name} must be a subclass of workbench.Learner"
        clash = options.keys() & settings_options().keys()
        assert not clash, f"{name} may not name its options like training settings: {sorted(clash)}"
        published_numbers(registration)  # raises if an entry is incomplete


def check_stored(instance: Any, options: Mapping[str, Any]) -> None:
    """Check that a constructor stored its options under their own names, unchanged."""
    for name, value in options.items():
        stored = hasattr(instance, name) and getattr(instance, name) == value
        assert stored, f"{type(instance).__name__} must store its option {name!r} unchanged"
