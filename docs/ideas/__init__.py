"""Pictures of the ideas of the algorithms, one function each, drawn by matplotlib.

    python -m ideas        # in docs/: writes algorithms/figures/ideas/NAME.svg

Colours are of middle brightness and backgrounds are transparent, so that a picture is readable on
light and on dark pages. Filled dots are support images, hollow stars are queries.
"""
