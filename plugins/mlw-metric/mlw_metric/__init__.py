"""Metric-based methods: learn an embedding in which a simple rule classifies."""

from workbench.hookspecs import Register, hookimpl


@hookimpl
def register_algorithms(register: Register) -> None:
    register("protonet", "mlw_metric.protonet:ProtoNet")
