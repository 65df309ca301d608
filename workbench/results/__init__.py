"""Frames of results, and what people see of them: tables, figures, a page.

Nothing here trains, evaluates or imports torch.
"""
