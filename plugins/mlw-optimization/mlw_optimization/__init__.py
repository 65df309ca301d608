"""Optimisation-based methods: learn weights from which few gradient steps suffice."""

from workbench.hookspecs import Register, hookimpl


@hookimpl
def register_algorithms(register: Register) -> None:
    register("maml", "mlw_optimization.maml:MAML")
