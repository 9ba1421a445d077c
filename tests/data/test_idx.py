import gzip
import hashlib
import os
import struct
import tracemalloc
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from coursework.data import idx
from coursework.errors import DataError

ARRAYS = arrays(np.uint8, array_shapes(min_dims=1, max_dims=4, max_side=6))
IMAGES = (np.arange(5 * 4 * 3) * 7 % 256).astype(np.uint8).reshape(5, 4, 3)


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return tmp_path_factory.mktemp("idx") / "some-file"


@pytest.fixture(scope="module")
def payload(to_idx):
    return to_idx(IMAGES)


@given(array=ARRAYS, packed=st.booleans())
def test_what_was_written_is_read(path, to_idx, array, packed):
    payload = to_idx(array)
    path.write_bytes(gzip.compress(payload) if packed else payload)
    found = idx.read(path, ndim=array.ndim, size=len(payload))
    np.testing.assert_array_equal(found.array, array, strict=True)
    assert found.sha256 == hashlib.sha256(payload).hexdigest()


@settings(max_examples=300)
@given(content=st.binary(max_size=200), start=st.sampled_from([b"", b"\0\0\x08", b"\0\0\x08\3", b"\x1f\x8b\x08"]))
def test_random_bytes_are_refused(path, content, start):
    path.write_bytes(start + content)
    with pytest.raises(DataError, match="some-file"):
        idx.read(path, ndim=3, size=10_000)


@settings(max_examples=300)
@given(array=ARRAYS, packed=st.booleans(), data=st.data())
def test_a_changed_header_is_refused(path, to_idx, array, packed, data):
    content = bytearray(to_idx(array))
    where = data.draw(st.integers(0, 4 + 4 * array.ndim - 1))
    content[where] ^= data.draw(st.integers(1, 255))
    path.write_bytes(gzip.compress(content) if packed else content)
    with pytest.raises(DataError, match="some-file"):
        idx.read(path, ndim=array.ndim, size=len(content))


@settings(max_examples=400)
@given(data=st.data())
def test_a_flipped_bit_of_a_gzip_file_never_changes_what_is_read(path, payload, data):
    content = bytearray(gzip.compress(payload, mtime=0))
    content[data.draw(st.integers(0, len(content) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    path.write_bytes(content)
    try:
        found = idx.read(path, ndim=3, size=len(payload))
    except DataError:
        return
    np.testing.assert_array_equal(found.array, IMAGES)  # time stamps and the like do not matter


@pytest.mark.parametrize("packed", [True, False])
def test_a_file_cut_anywhere_is_refused(path, payload, packed):
    content = gzip.compress(payload) if packed else payload
    for length in range(len(content)):
        path.write_bytes(content[:length])
        with pytest.raises(DataError, match="some-file"):
            idx.read(path, ndim=3, size=len(payload))


def _with_dims(*dims):
    return bytes([0, 0, 8, len(dims)]) + struct.pack(f">{len(dims)}I", *dims)


HTML = b"<!DOCTYPE html>\n<html><body>Sign in to the network</body></html>"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda p: b"", "empty"),
        (lambda p: HTML, "web page"),
        (lambda p: b"\xef\xbb\xbf\r\n  " + HTML, "web page"),
        (lambda p: gzip.compress(HTML), "not an IDX file"),
        (lambda p: b"PK\3\4" + p, "not an IDX file"),
        (lambda p: p[:9], "ends inside its header"),
        (lambda p: p[:-1], "ends after 75 of 76 bytes"),
        (lambda p: gzip.compress(p[:-1]), "ends after 75 of 76 bytes"),
        (lambda p: gzip.compress(p)[:-9], "truncated gzip"),
        (lambda p: gzip.compress(p)[:-8] + bytes(8), "damaged or truncated gzip"),
        (lambda p: p + b"\0", "goes on after its 76 bytes"),
        (lambda p: gzip.compress(p + b"\0"), "goes on after its 76 bytes"),
        (lambda p: gzip.compress(p) + gzip.compress(b"more"), "goes on after its 76 bytes"),
        (lambda p: gzip.compress(p) + b"garbage", "damaged or truncated gzip"),
        (lambda p: p + bytes(2 << 20), "2,097,228 bytes long"),
        (lambda p: p[:2] + b"\x0d" + p[3:], "type 0x0d"),
        (lambda p: p[:3] + b"\1" + p[4:], "1 dimensions instead of 3"),
        (lambda p: _with_dims(6, 4, 3) + p[16:], "6 × 4 × 3, which is 88 bytes in all instead of 76"),
        (lambda p: _with_dims(0, 4, 3), "0 × 4 × 3"),
        (lambda p: _with_dims(2**31 - 1, 2**31 - 1, 2**31 - 1), str(2**31 - 1)),
        (lambda p: _with_dims(2**31, 2**31, 4) + p[16:], "18,446,744,073,709,551,632 bytes"),  # 2**64 + 16
        (lambda p: gzip.compress(_with_dims(2**32 - 1, 1, 1)), "4,294,967,311 bytes"),
    ],
)
def test_what_is_wrong_is_said(path, payload, change, words):
    path.write_bytes(change(payload))
    with pytest.raises(idx.DamagedError) as caught:
        idx.read(path, ndim=3, size=len(payload))
    message = str(caught.value)
    assert message.startswith(str(path))
    assert words in message
    assert "Replace the file" in message


def test_what_is_not_a_file_is_refused(tmp_path):
    with pytest.raises(DataError, match="absent cannot be read: No such file"):
        idx.read(tmp_path / "absent", ndim=1, size=9)
    with pytest.raises(DataError, match="not a regular file"):
        idx.read(tmp_path, ndim=1, size=9)
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe")  # reading it would wait for ever
        with pytest.raises(DataError, match="not a regular file"):
            idx.read(tmp_path / "pipe", ndim=1, size=9)


def _gzip_of_zeros(start: bytes, count: int) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    zeros = bytes(1 << 20)
    parts = [packer.compress(start), *(packer.compress(zeros) for _ in range(count >> 20)), packer.flush()]
    return b"".join(parts)


@pytest.mark.parametrize("honest_header", [True, False])
def test_a_bomb_is_stopped_in_bounded_memory(path, honest_header):
    size = 16 + 1000 * 28 * 28
    dims = (1000, 28, 28) if honest_header else (260_000, 28, 28)
    path.write_bytes(_gzip_of_zeros(_with_dims(*dims), 200 << 20))
    assert path.stat().st_size < size  # small on disk, 200 MB unpacked
    tracemalloc.start()
    try:
        with pytest.raises(idx.DamagedError, match="goes on after" if honest_header else "260000 × 28 × 28"):
            idx.read(path, ndim=3, size=size)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < size + 4_000_000


def test_labels_must_fit_the_images(tmp_path):
    def pair(labels):
        return idx.Idx(IMAGES, "0"), idx.Idx(np.array(labels, np.uint8), "1")

    names = {"images_path": tmp_path / "i", "labels_path": tmp_path / "l", "num_classes": 10}
    idx.check_labels(*pair([0, 9, 3, 3, 1]), **names)
    with pytest.raises(DataError, match=r"l holds 4 labels, but .*i holds 5 images"):
        idx.check_labels(*pair([0, 9, 3, 3]), **names)
    with pytest.raises(DataError, match="has label 255 in row 2, but labels go from 0 to 9"):
        idx.check_labels(*pair([0, 9, 255, 10, 1]), **names)
