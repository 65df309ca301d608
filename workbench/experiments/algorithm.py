"""An algorithm by name: what its class asks for, and what a user may set."""

from __future__ import annotations

from workbench.learning.settings import settings_options
from workbench.plugin.options import Option, filled_parameters, options_of
from workbench.plugin.registry import registry


class KnownAlgorithm:
    """An algorithm, and the options and settings that a spec of it may set."""

    def __init__(self, name: str):
        self.registration = registry().find("algorithms", name)
        self.target = self.registration.load()
        self.options = options_of(self.target)
        self.settings = settings_options()
        self.filled = filled_parameters(self.target)

    @property
    def all(self) -> dict[str, Option]:
        return {**self.options, **self.settings}
