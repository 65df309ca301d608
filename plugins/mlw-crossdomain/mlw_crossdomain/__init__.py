"""Cross-domain methods: learn from several data sets, adapt to another data set."""

from workbench import Register, hookimpl


@hookimpl
def register_algorithms(register: Register) -> None:
    register("cnaps", "mlw_crossdomain.cnaps:CNAPs")
    register("film", "mlw_crossdomain.film:Film")
    register("tsa", "mlw_crossdomain.tsa:TSA")
    register("url", "mlw_crossdomain.url:URL")
