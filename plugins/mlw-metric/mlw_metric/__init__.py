"""Metric-based methods: learn an embedding in which a simple rule classifies."""

from workbench import Register, hookimpl


@hookimpl
def register_algorithms(register: Register) -> None:
    register("matching", "mlw_metric.matching:Matching")
    register("protonet", "mlw_metric.protonet:ProtoNet")
    register("relation", "mlw_metric.relation:Relation")
    register("siamese", "mlw_metric.siamese:Siamese")
