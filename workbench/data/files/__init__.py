"""Safe reading of files in archives and folders, and decoding of image files.

Nothing here knows a data set or a name that a user gave.
"""
