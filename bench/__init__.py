"""Measurements beside other programs. Not shipped; results are in `results/`."""
