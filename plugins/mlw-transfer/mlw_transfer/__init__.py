"""Transfer baselines: train a classifier on all training classes, fit a new head per task."""

from workbench import Register, hookimpl


@hookimpl
def register_algorithms(register: Register) -> None:
    register("baseline", "mlw_transfer.baseline:Baseline")
    register("baselinepp", "mlw_transfer.baselinepp:BaselinePP")
    register("finetune", "mlw_transfer.finetune:FineTune")
    register("linear_probe", "mlw_transfer.linear_probe:LinearProbe")
    register("nearest_neighbor", "mlw_transfer.nearest_neighbor:NearestNeighbor")
    register("nearest_pixel", "mlw_transfer.nearest_neighbor:NearestNeighbor", space="pixels")
    register("simpleshot", "mlw_transfer.simpleshot:SimpleShot")
    register("tim", "mlw_transfer.tim:TIM")
