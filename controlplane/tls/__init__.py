"""Certificates: read and checked, kept up to date, and made for development."""
