"""What `pytest --nbval` runs the notebooks of record with: the same bytes everywhere, experiments fast."""

import os
from pathlib import Path

import pytest

PROFILE = "COURSEWORK_PROFILE"
EXPERIMENTS = {Path(__file__).parent / part for part in ("wet", "studies")}

os.environ |= {"COURSEWORK_PROGRESS": "0", "PYTHONHASHSEED": "0", "SOURCE_DATE_EPOCH": "0"}
os.environ["MPLBACKEND"] = "module://matplotlib_inline.backend_inline"
os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item):
    """A notebook's kernel starts with its first cell: of the dry part as it was recorded, else in profile fast."""
    os.environ.pop(PROFILE, None)
    if EXPERIMENTS & {*item.path.parents}:
        os.environ[PROFILE] = "fast"


def pytest_collectstart(collector):
    """Vector pictures are compared no more than bitmaps are: their last digits depend on the processor."""
    if hasattr(collector, "skip_compare"):
        collector.skip_compare += ("image/svg+xml", "application/pdf")
