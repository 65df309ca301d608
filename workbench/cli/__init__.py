"""The command line: one file for each command.

Nothing here computes. No module imports torch, pandas or matplotlib before a command needs it.
"""
