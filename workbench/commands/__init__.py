"""What the commands do, as functions of Python.

The command line and Python programs call the same functions. Each takes plain arguments, which
`arguments` checks before anything runs.
"""
