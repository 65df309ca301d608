"""Optimisation-based methods: learn weights from which few gradient steps suffice."""

from workbench import Register, hookimpl


@hookimpl
def register_algorithms(register: Register) -> None:
    register("anil", "mlw_optimization.anil:ANIL")
    register("cavia", "mlw_optimization.cavia:CAVIA")
    register("imaml", "mlw_optimization.imaml:IMAML")
    register("leo", "mlw_optimization.leo:LEO")
    register("maml", "mlw_optimization.maml:MAML")
    register("fomaml", "mlw_optimization.maml:MAML", first_order=True)
    register("metalstm", "mlw_optimization.metalstm:MetaLSTM")
    register("metaoptnet", "mlw_optimization.metaoptnet:MetaOptNet")
    register("metasgd", "mlw_optimization.metasgd:MetaSGD")
    register("reptile", "mlw_optimization.reptile:Reptile")
