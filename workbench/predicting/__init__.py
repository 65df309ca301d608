"""Classify images of the user's own with a trained run."""
