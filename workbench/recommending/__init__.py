"""Recommend a method for a data set: from experience with others, and the user's own images."""
