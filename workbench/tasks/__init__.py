"""Few-shot tasks: how they are drawn from the classes of a split, and the source that yields them.

Nothing here learns. `sampling` and `protocols` do not import torch, which reading results does not
need.
"""
