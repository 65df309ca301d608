"""Choose options by search: each trial is a run, judged on validation tasks."""
