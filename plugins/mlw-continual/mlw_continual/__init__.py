"""Methods that learn online: from a stream of images, one after another, without forgetting."""

from workbench import Register, hookimpl


@hookimpl
def register_algorithms(register: Register) -> None:
    register("anml", "mlw_continual.anml:ANML")
    register("iid", "mlw_continual.iid:IID")
    register("oml", "mlw_continual.oml:OML")
    register("pretrain", "mlw_continual.pretrain:Pretrain")
    register("replay", "mlw_continual.replay:Replay")
    register("scratch", "mlw_continual.scratch:Scratch")
