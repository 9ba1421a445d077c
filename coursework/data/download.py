"""Download through torchvision, in a process of its own, which can be stopped when it hangs.

This is the only module that imports torchvision, and only in the process that downloads.
"""

import contextlib
import http.client
import json
import socket
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Sequence
from pathlib import Path

from coursework.errors import DataError

SILENCE = 15.0  # seconds that a server may stay silent
PATIENCE = 45.0  # seconds granted before the first byte, start of the process included
SLOWEST = 50_000  # bytes per second after that, on average
LARGEST = 100_000_000  # bytes in all: three times what the larger data set takes
LONGEST = 300  # characters of the reason of a failure


def fetch(dataset: str, files: Sequence[str], folder: Path) -> None:
    """Downloads `files` of the class `dataset` in torchvision.datasets into `folder`, which must exist.

    The download may take `PATIENCE` seconds and one more for every `SLOWEST` bytes that arrived. Progress is
    shown if standard error is a terminal. What arrived before a failure stays in `folder`.

    Raises:
        DataError: with the reason, in one line, that not all files arrived.
    """
    terminal = sys.stderr is not None and sys.stderr.isatty()
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(
            _command(dataset, files, folder),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=None if terminal else subprocess.DEVNULL,
        )
        try:
            _watch(process, folder)
        finally:
            process.kill()
            process.wait()
        output.seek(0)
        lines = output.read().decode("utf-8", "replace").splitlines()
    if process.returncode:
        reason = f"the downloading process ended with exit code {process.returncode} and said nothing"
        if lines:
            with contextlib.suppress(json.JSONDecodeError):
                reason = str(json.loads(lines[-1]))
        raise DataError(textwrap.shorten(reason, LONGEST, placeholder=" …"))


def _command(dataset: str, files: Sequence[str], folder: Path) -> list[str]:
    return [sys.executable, "-m", "coursework.data.download", dataset, str(folder), *files]


def _watch(process: subprocess.Popen[bytes], folder: Path) -> None:
    start = time.monotonic()
    while True:
        try:
            process.wait(timeout=0.2)
        except subprocess.TimeoutExpired:
            seconds, received = time.monotonic() - start, _bytes_in(folder)
            if received > LARGEST:
                msg = f"stopped after {received:,} bytes: the data set is far smaller"
                raise DataError(msg) from None
            if seconds > PATIENCE + received / SLOWEST:
                msg = f"too slow: {received:,} bytes in {seconds:.0f} seconds"
                raise DataError(msg) from None
        else:
            return


def _bytes_in(folder: Path) -> int:
    total = 0
    for path in folder.iterdir():
        with contextlib.suppress(FileNotFoundError):
            total += path.stat().st_size
    return total


def _download(dataset: str, files: Sequence[str], folder: Path) -> None:
    """In the downloading process: every file from the first mirror that gives it, https before http."""
    from torchvision import datasets
    from torchvision.datasets.utils import download_url

    known = getattr(datasets, dataset)
    digests = dict(known.resources)
    for file in files:
        failures = []
        for mirror in sorted(known.mirrors, key=lambda url: not url.startswith("https:")):
            try:
                download_url(mirror + file, str(folder), filename=file, md5=digests[file])
            except (OSError, RuntimeError, http.client.HTTPException) as error:
                failures.append(f"{mirror}{file}: {error}")
            else:
                break
        else:
            msg = "; ".join(failures)
            raise DataError(msg)


def _main(dataset: str, folder: str, *files: str) -> int:
    socket.setdefaulttimeout(SILENCE)
    try:
        _download(dataset, files, Path(folder))
    except DataError as error:
        reason = str(error)
    except ModuleNotFoundError as error:
        reason = f"{error}: install it with pip install torchvision"
    except Exception as error:  # whatever a broken installation raises is told to the waiting process
        reason = f"{type(error).__name__}: {error}; `coursework doctor` tells a broken torchvision"
    else:
        return 0
    sys.stdout.write(f"\n{json.dumps(' '.join(reason.split()))}\n")
    return 1


if __name__ == "__main__":
    sys.exit(_main(*sys.argv[1:]))
