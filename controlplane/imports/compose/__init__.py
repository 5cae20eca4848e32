"""Compose files: a project's services become task definitions and services."""
