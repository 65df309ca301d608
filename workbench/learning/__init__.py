"""The contract of a method, and the two loops that train and evaluate one.

Nothing here knows a file, a run folder or a table.
"""
