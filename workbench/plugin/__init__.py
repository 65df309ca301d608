"""Plugins: the hooks, the registry, the options of what is registered, and recipes.

Nothing here reads data or imports torch.
"""
