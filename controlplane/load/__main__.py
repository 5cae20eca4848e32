"""`python -m controlplane.load`: the generator where no command is installed."""

import argparse
import sys

from controlplane.load.main import add_arguments, main

if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="alb load", description="An open loop.")
    add_arguments(parser)
    sys.exit(main(parser.parse_args()))
