"""Data sets: one per file, or a few that are published in the same way; they share `reading.py`."""
