"""Where the command starts. Loading it takes a moment, in which Ctrl-C is no traceback either."""

import sys


def main() -> None:
    """Load the command line and run it."""
    try:
        from dayone import cli

        cli.main()
    except KeyboardInterrupt:
        sys.stderr.write("Interrupted.\n")
        sys.exit(130)


if __name__ == "__main__":
    main()
