"""A user's own folder or archive of images, made a data set.

Nothing here is downloaded, and no original is changed or copied.
"""
