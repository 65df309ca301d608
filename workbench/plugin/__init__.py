"""Plugins: the hooks, the registry, the options of registered classes, and recipes.

Nothing here reads data or imports torch.
"""
