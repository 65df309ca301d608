"""All pictures, by the page that shows them."""

from __future__ import annotations

from collections.abc import Callable

from ideas import learners, metric, optimisation, transfer
from ideas.pen import Pen

DRAWINGS: dict[str, Callable[[Pen], None]] = {
    "anil": optimisation.anil,
    "anml": learners.anml,
    "baseline": transfer.baseline,
    "baselinepp": transfer.baselinepp,
    "cavia": optimisation.cavia,
    "dkt": learners.dkt,
    "film": transfer.film,
    "finetune": transfer.finetune,
    "hypernet": learners.hypernet,
    "imaml": optimisation.imaml,
    "l2l": learners.l2l,
    "leo": optimisation.leo,
    "linear_probe": transfer.linear_probe,
    "llama": learners.llama,
    "maml": optimisation.maml,
    "mann": learners.mann,
    "matching": metric.matching,
    "metalstm": optimisation.metalstm,
    "metaoptnet": optimisation.metaoptnet,
    "metasgd": optimisation.metasgd,
    "nearest_neighbor": metric.nearest_neighbor,
    "oml": learners.oml,
    "pretrain": learners.pretrain,
    "protonet": metric.protonet,
    "relation": metric.relation,
    "reptile": optimisation.reptile,
    "siamese": metric.siamese,
    "simpleshot": metric.simpleshot,
    "tim": transfer.tim,
    "tsa": transfer.tsa,
    "url": transfer.url,
}
