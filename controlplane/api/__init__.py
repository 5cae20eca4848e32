"""The control API: HTTP on a Unix socket and on loopback, JSON in and out."""
