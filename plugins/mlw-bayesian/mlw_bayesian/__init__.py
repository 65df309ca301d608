"""Methods that are Bayesian by construction: a task is a draw from a prior, which is learnt."""

from workbench import Register, hookimpl


@hookimpl
def register_algorithms(register: Register) -> None:
    register("dkt", "mlw_bayesian.dkt:DKT")
    register("llama", "mlw_bayesian.llama:LLAMA")
