"""Reader for the IDX format of the MNIST family: arrays of bytes under a short header, plain or in gzip.

A file starts with two zero bytes, the code of the element type (8: unsigned byte, the only one read here),
the number of dimensions, and each dimension as a big-endian unsigned 32-bit number; the elements follow.
Nothing in the file is believed: a reader knows beforehand how many bytes it will take and stops there.
"""

import gzip
import hashlib
import math
import stat
import struct
import zlib
from dataclasses import dataclass
from io import BufferedIOBase
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from coursework.errors import DataError

_GZIP = b"\x1f\x8b"
_UNSIGNED_BYTE = 8
_CHUNK = 1 << 20
_SLACK = 1 << 20  # a gzip file may be this much larger than what it holds
_REMEDY = "Replace the file by an intact copy, or take it away."


class DamagedError(DataError):
    """A file was read and is not what it should be: `problem` says in what, `remedy` what to do about it."""

    def __init__(self, problem: str, remedy: str = _REMEDY) -> None:
        super().__init__(problem, remedy)
        self.problem = problem

    def __str__(self) -> str:
        return " ".join(self.args)


@dataclass(frozen=True, eq=False)
class Idx:
    """What one file holds: the elements, and the SHA-256 of header and elements, unpacked."""

    array: UInt8[np.ndarray, "..."]
    sha256: str


def read(path: Path, *, ndim: int, size: int) -> Idx:
    """The array in an IDX file; plain or gzip is told from the first bytes, not from the name.

    Memory stays below `size` and 4 MB, whatever the file claims or unpacks to.

    Args:
        path: the file.
        ndim: number of dimensions it must have.
        size: number of bytes, header included, that it must hold when unpacked.

    Raises:
        DamagedError: the file is empty, truncated, too large, not IDX, or of other dimensions.
        DataError: the file is missing or may not be read.
    """
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise _damaged(path, "is not a regular file")
        if status.st_size == 0:
            raise _damaged(path, "is empty (0 bytes)")
        if status.st_size > size + _SLACK:
            raise _damaged(path, f"is {status.st_size:,} bytes long, more than its {size:,} bytes of data can take")
        with path.open("rb") as file:
            start = file.read(512)
            file.seek(0)
            if start.startswith(_GZIP):
                with gzip.GzipFile(fileobj=file, mode="rb") as unpacked:
                    return _parse(path, unpacked, ndim, size)
            if start.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<"):
                raise _damaged(path, "is a web page (HTML or XML), not data: the download went wrong")
            return _parse(path, file, ndim, size)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise _damaged(path, f"is a damaged or truncated gzip file ({error})") from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise DataError(f"{path} cannot be read: {reason}. Check the path and its permissions.") from error


def check_labels(images: Idx, labels: Idx, *, num_classes: int, images_path: Path, labels_path: Path) -> None:
    """Nothing, if there is one label for each image and every label is below `num_classes`.

    Raises:
        DamagedError: the numbers of images and labels differ, or a label is out of range.
    """
    num_images, num_labels = len(images.array), len(labels.array)
    if num_images != num_labels:
        problem = f"holds {num_labels:,} labels, but {images_path} holds {num_images:,} images"
        raise _damaged(labels_path, problem)
    wrong = np.flatnonzero(labels.array >= num_classes)
    if wrong.size:
        problem = f"has label {labels.array[wrong[0]]} in row {wrong[0]}, but labels go from 0 to {num_classes - 1}"
        raise _damaged(labels_path, problem)


def _parse(path: Path, file: BufferedIOBase, ndim: int, size: int) -> Idx:
    offset = 4 + 4 * ndim
    header = file.read(offset)
    if len(header) < offset:
        raise _damaged(path, f"ends inside its header, after {len(header)} of {offset} bytes")
    if header[:2] != b"\0\0":
        raise _damaged(path, f"is not an IDX file: it starts with bytes {header[:4].hex(' ')}, not with 00 00")
    if header[2] != _UNSIGNED_BYTE:
        raise _damaged(path, f"has elements of type 0x{header[2]:02x}; only unsigned bytes (0x08) are expected")
    if header[3] != ndim:
        raise _damaged(path, f"has {header[3]} dimensions instead of {ndim}")
    dims = struct.unpack(f">{ndim}I", header[4:])
    stated = offset + math.prod(dims)
    if stated != size:
        claim = " × ".join(map(str, dims))
        raise _damaged(path, f"states dimensions {claim}, which is {stated:,} bytes in all instead of {size:,}")

    payload = bytearray(size)
    payload[:offset] = header
    view = memoryview(payload)
    done = offset
    while done < size and (count := file.readinto(view[done : done + _CHUNK])):
        done += count
    if done < size:
        raise _damaged(path, f"ends after {done:,} of {size:,} bytes")
    if file.read(1):
        raise _damaged(path, f"goes on after its {size:,} bytes")
    array = np.frombuffer(payload, np.uint8, offset=offset).reshape(dims)
    return Idx(array, hashlib.sha256(payload).hexdigest())


def _damaged(path: Path, problem: str) -> DamagedError:
    return DamagedError(f"{path} {problem}.")
