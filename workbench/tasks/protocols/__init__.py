"""The protocols: one file for each way to draw tasks.

A protocol draws row numbers and reads no images.
"""
