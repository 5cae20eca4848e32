"""The commands of `alb`: one module each, imported only when asked for.

Each has `add_arguments(parser)` and `main(args) -> exit status`.
"""
