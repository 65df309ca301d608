"""Trackers: TensorBoard and trackio. Each needs its own library, an extra of the workbench."""

from workbench import Register, hookimpl


@hookimpl
def register_trackers(register: Register) -> None:
    """Register the trackers."""
    register("tensorboard", "mlw_trackers.tensorboard:TensorBoard")
    register("trackio", "mlw_trackers.trackio:Trackio")
