"""Progress of long steps: one line a step, on stderr, with the seconds since the start."""

import sys
import time
from collections.abc import Callable

Say = Callable[[str], None]
"""Takes one line for whoever waits."""


def say_to_stderr() -> Say:
    """A `Say` whose lines begin with the seconds since this call."""
    start = time.monotonic()

    def say(line: str) -> None:
        sys.stderr.write(f"[{time.monotonic() - start:6.1f} s] {line}\n")
        sys.stderr.flush()

    return say


def show(line: str = "") -> None:
    """Write one line of an answer to stdout; signs that the terminal cannot show are replaced."""
    encoding = sys.stdout.encoding or "utf-8"
    sys.stdout.write(line.encode(encoding, "replace").decode(encoding) + "\n")
