"""Files in archives and folders, read safely, and image files to pixels.

Nothing here knows a data set or a name that a user gave.
"""
