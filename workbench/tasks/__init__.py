"""Few-shot tasks: how they are drawn from the classes of a split, and the source that supplies them.

Nothing here learns. This file stays empty of imports: reading results needs protocols and no torch.
"""
