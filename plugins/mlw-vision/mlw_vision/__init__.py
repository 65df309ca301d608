"""Backbones and data sets of images."""

from workbench.hookspecs import Register, hookimpl


@hookimpl
def register_backbones(register: Register) -> None:
    register("conv4", "mlw_vision.conv4:Conv4")


@hookimpl
def register_datasets(register: Register) -> None:
    register("glyphs", "mlw_vision.glyphs:Glyphs")
    register("omniglot", "mlw_vision.omniglot:Omniglot")
    register("omniglot_small1", "mlw_vision.omniglot:OmniglotSmall1")
    register("omniglot_small2", "mlw_vision.omniglot:OmniglotSmall2")
