"""Bring published files into the cache and verify them: the way from `datasets.toml` to archives.

Nothing in this package opens an image.
"""
