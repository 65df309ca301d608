"""Transfer baselines: train a classifier on all training classes, fit a new head to a task."""

from workbench.hookspecs import Register, hookimpl


@hookimpl
def register_algorithms(register: Register) -> None:
    register("baseline", "mlw_transfer.baseline:Baseline")
