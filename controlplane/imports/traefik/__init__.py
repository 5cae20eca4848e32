"""Traefik's routers, services and middlewares become listeners and rules."""
