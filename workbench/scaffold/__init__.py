"""A new plugin: its names, and its files from the templates in the folder `template`.

A template is a file with `$name` and the like in it, and `.template` after its name. Those of
`all` are in every plugin, the others are in plugins that register such a thing.
"""
