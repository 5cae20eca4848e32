"""The scheduler: where tasks run."""
