"""From what was typed to run folders: plan, train, evaluate, compare.

Nothing here prints.
"""
