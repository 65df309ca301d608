"""Learned optimisers: learn how a network's weights follow their gradients."""

from workbench import Register, hookimpl


@hookimpl
def register_algorithms(register: Register) -> None:
    register("l2l", "mlw_learned.l2l:L2L")
