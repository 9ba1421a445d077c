"""The downloading process, against servers on this machine; torchvision is real, its addresses are not."""

import contextlib
import functools
import gzip
import hashlib
import http.server
import json
import socket
import sys
import threading
import time

import pytest

from coursework.data import download
from coursework.errors import DataError

FILES = ("a-idx1-ubyte.gz", "b-idx1-ubyte.gz")


@contextlib.contextmanager
def _serving(handler):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_args):
        pass


class _Portal(_Quiet):
    """Answers everything with a page to log in."""

    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"<html>Log in</html>")


@pytest.fixture
def contents(tmp_path):
    folder = tmp_path / "server"
    folder.mkdir()
    for file in FILES:
        (folder / file).write_bytes(gzip.compress(file.encode() * 100))
    return folder


@pytest.fixture
def mirrors(contents, monkeypatch):
    """Sets torchvision's addresses of MNIST."""
    from torchvision import datasets

    for variable in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr(
        datasets.MNIST,
        "resources",
        [(file, hashlib.md5((contents / file).read_bytes()).hexdigest()) for file in FILES],
    )
    timeout = socket.getdefaulttimeout()
    yield functools.partial(monkeypatch.setattr, datasets.MNIST, "mirrors")
    socket.setdefaulttimeout(timeout)


def _run(folder, capsys):
    """Exit code of the downloading process's main function, and the reason it gives."""
    folder.mkdir(exist_ok=True)
    code = download._main("MNIST", str(folder), *FILES)
    out = capsys.readouterr().out
    return code, json.loads(out.splitlines()[-1]) if out else ""


def test_files_come_from_the_first_mirror_that_has_them(contents, mirrors, tmp_path, capsys):
    with (
        _serving(_Portal) as portal,
        _serving(functools.partial(_Quiet, directory=str(contents))) as good,
    ):
        mirrors([portal, good])
        assert _run(tmp_path / "got", capsys) == (0, "")
    for file in FILES:
        assert (tmp_path / "got" / file).read_bytes() == (contents / file).read_bytes()


def test_a_page_to_log_in_is_no_data(mirrors, tmp_path, capsys):
    with _serving(_Portal) as portal:
        mirrors([portal])
        code, reason = _run(tmp_path / "got", capsys)
    assert code == 1
    assert reason.startswith(f"{portal}{FILES[0]}: ")
    assert "corrupted" in reason


def test_a_server_that_never_answers_is_given_up(mirrors, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(download, "SILENCE", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        mirrors([f"http://127.0.0.1:{deaf.getsockname()[1]}/"])
        start = time.monotonic()
        code, reason = _run(tmp_path / "got", capsys)
    assert code == 1
    assert "timed out" in reason
    assert time.monotonic() - start < 10


@pytest.mark.parametrize(
    ("broken", "words"),
    [(None, "pip install torchvision"), (object(), "coursework doctor")],
    ids=["absent", "broken"],
)
def test_torchvision_absent_or_broken(tmp_path, capsys, monkeypatch, broken, words):
    monkeypatch.setitem(sys.modules, "torchvision", broken)
    timeout = socket.getdefaulttimeout()
    try:
        code, reason = _run(tmp_path / "got", capsys)
    finally:
        socket.setdefaulttimeout(timeout)
    assert code == 1
    assert words in reason


# The process that waits


def _program(monkeypatch, code):
    """Puts a program in place of the downloading process; it finds the folder in `folder`."""
    head = "import json, pathlib, sys, time; folder = pathlib.Path(sys.argv[1])\n"
    monkeypatch.setattr(
        download, "_command", lambda dataset, files, folder: [sys.executable, "-c", head + code, str(folder)]
    )


def _reason(folder):
    start = time.monotonic()
    with pytest.raises(DataError) as caught:
        download.fetch("MNIST", FILES, folder)
    assert time.monotonic() - start < 20
    return str(caught.value)


def test_success_is_silent(tmp_path, monkeypatch):
    _program(monkeypatch, "print('Downloading'); (folder / 'x').write_bytes(b'x')")
    download.fetch("MNIST", FILES, tmp_path)
    assert (tmp_path / "x").read_bytes() == b"x"


def test_the_reason_is_passed_on_in_few_words(tmp_path, monkeypatch):
    _program(monkeypatch, "print('Downloading\\n' + json.dumps('no network\\n at all ' * 99)); sys.exit(1)")
    reason = _reason(tmp_path)
    assert reason.startswith("no network at all no network")
    assert len(reason) <= download.LONGEST


@pytest.mark.parametrize("code", ["sys.exit(7)", "print('not json'); sys.exit(7)"])
def test_a_crash_is_told(tmp_path, monkeypatch, code):
    _program(monkeypatch, code)
    assert "exit code 7" in _reason(tmp_path)


def test_a_hanging_download_is_stopped(tmp_path, monkeypatch):
    _program(monkeypatch, "time.sleep(600)")
    monkeypatch.setattr(download, "PATIENCE", 0.5)
    assert "too slow: 0 bytes" in _reason(tmp_path)


def test_a_dripping_download_is_stopped_and_a_slow_one_is_not(tmp_path, monkeypatch):
    drip = "for _ in range({}): open(folder / 'x', 'ab').write(b'.' * {}); time.sleep(0.1)"
    monkeypatch.setattr(download, "PATIENCE", 1.0)
    monkeypatch.setattr(download, "SLOWEST", 1_000)
    _program(monkeypatch, drip.format(6000, 1))
    assert "too slow" in _reason(tmp_path)
    _program(monkeypatch, drip.format(20, 1_000))  # two seconds, ten times the slowest
    download.fetch("MNIST", FILES, tmp_path)


def test_an_endless_download_is_stopped(tmp_path, monkeypatch):
    _program(monkeypatch, "while True: open(folder / 'x', 'ab').write(bytes(1000)); time.sleep(0.001)")
    monkeypatch.setattr(download, "LARGEST", 50_000)
    assert "far smaller" in _reason(tmp_path)


def test_the_whole_way_without_a_network(tmp_path, monkeypatch):
    with socket.socket() as closed:  # bound but not listening: every connection is refused
        closed.bind(("127.0.0.1", 0))
        for variable in ("http_proxy", "https_proxy"):
            monkeypatch.setenv(variable, f"http://127.0.0.1:{closed.getsockname()[1]}")
        monkeypatch.delenv("no_proxy", raising=False)
        monkeypatch.delenv("NO_PROXY", raising=False)
        with pytest.raises(DataError) as caught:
            download.fetch("MNIST", ["train-labels-idx1-ubyte.gz"], tmp_path)
    assert str(caught.value).startswith("https://")
    assert "train-labels-idx1-ubyte.gz: <urlopen error" in str(caught.value)
    assert "refused" in str(caught.value)
