"""A user's own folder or archive of images as a data set.

Nothing in this package downloads anything, and no original is changed or copied.
"""
