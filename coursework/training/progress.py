"""Progress bars where somebody looks, and nowhere else."""

import os
import sys

from tqdm import tqdm


def progress_bar(total: int, description: str, initial: int = 0) -> tqdm:
    """A bar on stderr; off unless stderr is a terminal. `COURSEWORK_PROGRESS=0` or `1` overrides."""
    wanted = os.environ.get("COURSEWORK_PROGRESS")
    shown = sys.stderr.isatty() if wanted is None else wanted != "0"
    return tqdm(total=total, desc=description, initial=initial, disable=not shown, leave=False, mininterval=0.5)
