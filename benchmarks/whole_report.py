"""The report made cold and made again: wall and CPU time of `coursework report`, in a copy of this checkout.

Cold: no run, no build, a process that starts. Warm: the same command again. The copy and its runs are thrown away, so
neither the checkout's build nor its runs are touched.
"""

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from _measure import write

from coursework.training.device import device_name

ROOT = Path(__file__).resolve().parents[1]


def copy_checkout(target: Path) -> None:
    """Every file that git tracks or would track."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    for name in filter(None, listed.stdout.decode().split("\0")):
        if (ROOT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            (target / name).write_bytes((ROOT / name).read_bytes())


def timed(command: list[str], folder: Path) -> dict[str, float]:
    """Wall and CPU seconds of a command and of all that it starts, and its exit code."""
    environment = {**os.environ, "PYTHONPATH": str(folder), "COURSEWORK_RUNS": str(folder / "runs")}
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    code = subprocess.run(command, cwd=folder, env=environment, check=False).returncode
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"wall": time.monotonic() - began, "cpu": cpu, "exit code": code}


def main() -> int:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--profile", default="cpu")
    parser.add_argument("rest", nargs="*", help="more options of `coursework report`, after --")
    options = parser.parse_args()
    command = [sys.executable, "-m", "coursework.cli", "report", "--profile", options.profile, *options.rest]
    times = {}
    with tempfile.TemporaryDirectory() as folder:
        copy_checkout(Path(folder))
        for name in ("cold", "warm"):
            times[name] = timed(command, Path(folder))
            if times[name]["exit code"]:
                print(f"{' '.join(command)}: exit code {times[name]['exit code']}", file=sys.stderr)
                return 1
    print(f"seconds of coursework report --profile {options.profile}, {os.cpu_count()} cores of {device_name()}")
    for name, values in times.items():
        print(f"{name:6} wall {values['wall']:8.1f}   CPU {values['cpu']:8.1f}")
    write(
        "whole_report", {"profile": options.profile, "options": options.rest, "cores": os.cpu_count(), "seconds": times}
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
