"""The names of the protocols. Imports nothing heavy, so that the command line can list them."""

from __future__ import annotations

from workbench.plugin.registry import DEFAULT_PROTOCOL

# by name, the module in this package and its class
PROTOCOLS = {
    DEFAULT_PROTOCOL: "way_shot:WayShot",
    "within-group": "within_group:WithinGroup",
    "unbalanced": "unbalanced:Unbalanced",
    "meta-dataset": "meta_dataset:MetaDataset",
    "prequential": "prequential:Prequential",
    "stream": "stream:Stream",
    "listed": "listed:Listed",
}
# those that define themselves how many queries a class has
OWN_QUERIES = ("meta-dataset", "prequential", "listed")
# those whose tasks are random and ask once
TRAINING_PROTOCOLS = (DEFAULT_PROTOCOL, "within-group", "unbalanced", "meta-dataset")
