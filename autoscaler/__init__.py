"""The autoscaler: how many tasks."""
