"""Methods in which one forward pass learns a task: a memory, or a network that makes weights."""

from workbench import Register, hookimpl


@hookimpl
def register_algorithms(register: Register) -> None:
    register("hypernet", "mlw_model.hypernet:Hypernet")
    register("mann", "mlw_model.mann:MANN")
