"""Choose options by search: each trial is a run, evaluated on validation tasks."""
