"""The set-up script, with what it would run replaced: nothing is installed here."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

from coursework.errors import SetupError
from coursework.report import bootstrap

SCRIPT = Path(bootstrap.__file__)


@pytest.fixture
def lines(monkeypatch):
    """What it says."""
    said = []
    monkeypatch.setattr(bootstrap, "say", said.append)
    return said


@pytest.fixture
def installed(monkeypatch):
    """Packages it would install, and as whom."""
    calls = []
    monkeypatch.setattr(bootstrap, "install", lambda prefix, names: names and calls.append((prefix, names)))
    return calls


def test_only_the_standard_library_and_no_newer_syntax():
    tree = ast.parse(SCRIPT.read_text(encoding="utf-8"), feature_version=(3, 9))
    names = {
        alias.name.split(".")[0] for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names
    }
    names |= {node.module.split(".")[0] for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert names <= sys.stdlib_module_names


def test_a_python_that_is_new_enough_is_found(monkeypatch):
    assert bootstrap.version_of(sys.executable) == sys.version_info[:2]
    assert bootstrap.version_of("/no/such/python") == (0, 0)
    assert bootstrap.find_python(sys.executable) == sys.executable
    versions = {"/bin/python3": (3, 9), "/bin/python3.12": (3, 12)}
    monkeypatch.setattr(bootstrap.shutil, "which", lambda name: f"/bin/{Path(name).name}")
    monkeypatch.setattr(bootstrap, "version_of", lambda python: versions.get(python, (0, 0)))
    assert bootstrap.find_python() == "/bin/python3.12"
    monkeypatch.setattr(bootstrap, "version_of", lambda python: (3, 10))
    with pytest.raises(bootstrap.SetupFailed, match=r"there is no Python 3\.11 or newer.*PYTHON="):
        bootstrap.find_python()
    with pytest.raises(bootstrap.SetupFailed, match=r"python9 is not Python 3\.11"):
        bootstrap.find_python("python9")


def test_a_set_up_that_cannot_go_on_says_why(monkeypatch, lines):
    assert bootstrap.main(["--python", "/no/such/python"]) == SetupError.exit_code
    assert "PYTHON=" in lines[-1]


@pytest.fixture
def debian(monkeypatch):
    """A Debian machine without TeX, of which every program is in /bin."""
    monkeypatch.setattr(bootstrap, "_has_tex", lambda: False)
    monkeypatch.setattr(bootstrap.shutil, "which", lambda name: f"/bin/{name}")
    monkeypatch.setattr(bootstrap, "missing_packages", lambda names: [n for n in names if n != "make"])
    monkeypatch.setattr(bootstrap, "administrator", lambda: ["sudo", "-n"])


def test_all_that_is_missing_is_installed_as_root(debian, lines, installed, monkeypatch):
    monkeypatch.setattr(bootstrap, "_runs", lambda python, code: "ensurepip" not in code)
    monkeypatch.setattr(bootstrap, "usable", lambda venv: False)
    monkeypatch.setattr(bootstrap, "environment", lambda *args, **named: lines.append("environment"))
    monkeypatch.setattr(bootstrap, "find_python", lambda wanted: sys.executable)
    assert bootstrap.main([]) == 0
    venv = "python{}.{}-venv".format(*sys.version_info[:2])
    tex = [name for name in bootstrap.TEX_PACKAGES if name != "make"]
    assert installed == [(["sudo", "-n"], names) for names in ([venv], tex, ["dataset-fashion-mnist"])]
    assert lines == ["environment"]


@pytest.mark.parametrize(("may_install", "prefix"), [(True, None), (False, [])])
def test_without_root_one_line_says_what_is_missing(debian, monkeypatch, lines, may_install, prefix):
    monkeypatch.setattr(bootstrap, "administrator", lambda: prefix)
    monkeypatch.setattr(bootstrap, "missing_packages", lambda names: ["latexmk", "fonts-texgyre"])
    assert bootstrap.system_packages(sys.executable, False, may_install) == ([], [])
    assert lines == ["missing for the PDFs; as root: apt-get install latexmk fonts-texgyre"]


def test_elsewhere_than_debian_one_line_says_what_is_lost(monkeypatch, lines):
    monkeypatch.setattr(bootstrap.shutil, "which", lambda name: None)
    assert bootstrap.system_packages(sys.executable, False, True) == ([], [])
    assert len(lines) == 1
    assert "HTML without PDFs" in lines[0]


def test_nothing_is_asked_of_root_where_nothing_is_missing(debian, monkeypatch, lines):
    monkeypatch.setattr(bootstrap, "administrator", None)
    monkeypatch.setattr(bootstrap, "missing_packages", lambda names: [])
    assert bootstrap.system_packages(sys.executable, False, True) == ([], [])
    assert lines == []


def test_venv_is_asked_for_only_where_it_is_needed_and_absent(debian, monkeypatch):
    monkeypatch.setattr(bootstrap, "_runs", lambda python, code: False)
    for needs_venv in (True, False):
        _, missing = bootstrap.system_packages(sys.executable, needs_venv, True)
        assert any(name.endswith("-venv") for name in missing) == needs_venv


def test_a_failing_apt_get_is_survived(monkeypatch, lines):
    monkeypatch.setattr(bootstrap, "stream", lambda command, cwd=None: 100)
    bootstrap.install([], ["latexmk"])
    assert lines[-1] == "apt-get failed, see above: going on without latexmk"


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A checkout with a sound `.venv` that is this environment's Python, and the commands that were run in it."""
    root = tmp_path / "sp ace é"
    (root / ".venv" / "bin").mkdir(parents=True)
    (root / ".venv" / "bin" / "python").symlink_to(sys.executable)
    settings = f"home = {Path(sys._base_executable).parent}\ncommand = /x/python -m venv {root}/.venv\n"
    (root / ".venv" / "pyvenv.cfg").write_text(settings, encoding="utf-8")
    packages = root / ".venv" / "lib" / "python{}.{}".format(*sys.version_info[:2]) / "site-packages"
    packages.mkdir(parents=True)
    (packages / "pip.py").write_text("", encoding="utf-8")  # a system's own Python may have no pip
    for name in ("pyproject.toml", "constraints.txt"):
        (root / name).write_text("", encoding="utf-8")
    commands = []
    monkeypatch.setattr(bootstrap, "stream", lambda command, cwd=None: commands.append(command) or 0)
    return root, commands


def test_the_second_set_up_does_nothing(checkout, lines):
    root, commands = checkout
    bootstrap.environment(root, sys.executable)
    (command,) = commands
    assert command[1:4] == ["-m", "pip", "--disable-pip-version-check"]
    assert command[command.index("-c") + 1] == "constraints.txt"
    assert command[-2:] == ["-e", ".[book,cluster,dev]"]
    bootstrap.environment(root, sys.executable)
    assert len(commands) == 1
    (root / "constraints.txt").write_text("torch==1\n", encoding="utf-8")
    bootstrap.environment(root, sys.executable)
    assert len(commands) == 2


def test_a_failed_installation_is_tried_again(checkout, lines, monkeypatch):
    root, _ = checkout
    monkeypatch.setattr(bootstrap, "stream", lambda command, cwd=None: 1)
    for _ in range(2):
        with pytest.raises(bootstrap.SetupFailed, match="pip failed"):
            bootstrap.environment(root, sys.executable)


def test_an_environment_that_was_moved_or_broken_is_made_anew(checkout):
    root, _ = checkout
    venv = root / ".venv"
    assert bootstrap.usable(venv)
    moved = root.rename(root.with_name("moved")) / ".venv"
    assert not bootstrap.usable(moved)
    assert not bootstrap.usable(venv)


def test_output_is_shown_while_it_runs_and_its_end_if_it_fails(lines, capsys, monkeypatch):
    monkeypatch.setattr(bootstrap, "_EVERY", 0.2)
    code = "import time; print('working', flush=True); time.sleep(1); print('broken'); raise SystemExit(3)"
    assert bootstrap.stream([sys.executable, "-c", code]) == 3
    assert "working" in lines
    assert capsys.readouterr().err.endswith("working\nbroken\n")
    assert bootstrap.stream(["/no/such/program"]) == 127


def test_make_lists_its_targets_from_a_folder_with_a_space(tmp_path):
    root = tmp_path / "sp ace é"
    root.mkdir()
    (root / "Makefile").write_bytes((SCRIPT.parents[2] / "Makefile").read_bytes())
    env = {"PATH": os.environ["PATH"], "LC_ALL": "C"}
    done = subprocess.run(["make"], cwd=root, capture_output=True, text=True, env=env, check=True)
    for target in ("help", "report", "test", "check", "bench", "clean"):
        assert f"make {target}" in done.stdout
