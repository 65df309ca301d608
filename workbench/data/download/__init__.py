"""From `datasets.toml` to verified files in the cache.

Nothing here opens an image.
"""
