"""All benchmarks, one after the other, each in a process of its own; with --record, the book's page about them."""

import argparse
import json
import shutil
import subprocess
import sys
from pathlib import Path

from benchmarks.page import RECORD, page

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
BENCHMARKS: dict[str, list[str]] = {
    "vae_epoch": ["--images", "1280", "--epochs", "1", "--seeds", "2"],
    "row_adam": ["--rounds", "1", "--sizes", "1000", "10000"],
    "inference": ["--images", "50", "--limit", "2", "--rates", "0.3"],
    "tsne": ["--sizes", "200"],
    "whole_report": ["--profile", "fast", "--", "--page", "dry/momentum", "--no-pdf"],
}
"""Name → the options of a trial that takes seconds instead of minutes."""


def main() -> int:
    """Run them and return the first exit code that is not 0."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"default all: {', '.join(BENCHMARKS)}")
    parser.add_argument("--trial", action="store_true", help="at sizes too small to mean anything, to see that all run")
    parser.add_argument("--record", action="store_true", help="keep the results in benchmarks/record/, make the page")
    parser.add_argument("--made", action="store_true", help="run nothing: for the record, take what is in build/")
    options = parser.parse_args()
    unknown = sorted(set(options.names) - set(BENCHMARKS))
    if unknown:
        parser.error(f"unknown: {', '.join(unknown)}; known are {', '.join(BENCHMARKS)}")
    if options.record and options.trial:
        parser.error("a trial is not for the record")
    names = options.names or list(BENCHMARKS)
    for name in [] if options.made else names:
        print(f"\n{name}", flush=True)
        command = [sys.executable, str(HERE / f"{name}.py"), *(BENCHMARKS[name] if options.trial else [])]
        if code := subprocess.run(command, check=False).returncode:
            return code
    if options.record:
        record(names)
    return 0


def record(names: list[str]) -> None:
    """Copy these benchmarks' results to the record and write the book's page from all of it."""
    RECORD.mkdir(exist_ok=True)
    for name in names:
        shutil.copy(ROOT / "build" / "benchmarks" / f"{name}.json", RECORD)
    results = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in RECORD.glob("*.json")}
    (ROOT / "book" / "benchmarks.md").write_text(page(results), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
