"""Cross-domain methods: learn from several data sets, adapt to another."""

from workbench.hookspecs import Register, hookimpl


@hookimpl
def register_algorithms(register: Register) -> None:
    """Name the methods of this package."""
