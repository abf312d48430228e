"""A verdict's report on stdout; whether anybody reads it does not change the verdict."""

import os
import sys


def print_report(text: str) -> None:
    """Print, and go on if the reader went away: the exit code still tells how it ended."""
    try:
        print(text, flush=True)
    except BrokenPipeError:
        stop_writing()


def stop_writing() -> None:
    """What else goes to stdout is lost; without this Python complains when it ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
