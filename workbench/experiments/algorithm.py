"""An algorithm by name: what its class asks for, and what a user may set."""

from __future__ import annotations

from workbench.errors import PluginError, UsageError
from workbench.learning.settings import settings_options
from workbench.plugin.options import Option, convert_options, filled_parameters, options_of
from workbench.plugin.recipes import RECIPES, published_numbers, recipe_place, recipe_tables
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

    @property
    def has_recipes(self) -> bool:
        """Whether a recipes.toml has a table for it."""
        return bool(recipe_tables(self.registration))

    def check_recipes(self) -> None:
        """Check all its recipes and published numbers, those that are not used now too.

        Raises:
            PluginError: a key or value is none that the algorithm or a training takes.
        """
        package = self.registration.package
        for table in recipe_tables(self.registration):
            for recipe in RECIPES:
                given = dict(table.get(recipe, {}))
                backbone = given.pop("backbone", "")
                place = recipe_place(table)
                owner = f"the {recipe} recipe of {self.registration.name} for {place}"
                if not isinstance(backbone, str):
                    raise PluginError(f"{package}/recipes.toml: {owner} names no backbone by text")
                try:
                    convert_options(owner, given, self.all)
                except UsageError as error:
                    raise PluginError(f"{package}/recipes.toml: {error}") from error
        published_numbers(self.registration)
