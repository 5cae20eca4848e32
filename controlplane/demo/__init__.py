"""`alb demo`: its task, its image, its view and its verdict."""
