"""Data sets, one file each or a few that are published alike; `reading.py` is what they share."""
