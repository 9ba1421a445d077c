"""Set-up from a bare system: `.venv` with everything installed, and on Debian or Ubuntu TeX and the data.

Run by `make` with whatever `python3` there is, before anything is installed: the standard library only, and
nothing newer than Python 3.9. A second run with nothing changed takes a fraction of a second.
"""

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

OLDEST = (3, 11)
CANDIDATES = ("python3", "python3.12", "python3.11", "python3.13")
EXIT_CODE = 7  # that of coursework.errors.SetupError, which cannot be imported yet
VENV = ".venv"
STAMP = "coursework-setup"
EXTRAS = "book,cluster,dev"

TEX_PACKAGES = (
    "make",
    "latexmk",
    "texlive-xetex",
    "texlive-latex-recommended",
    "texlive-latex-extra",
    "texlive-fonts-recommended",
    "fonts-texgyre",
    "fonts-texgyre-math",
    "fonts-dejavu-core",
)
DATA_PACKAGES = ("dataset-fashion-mnist",)

_START = time.monotonic()
_EVERY = 5.0
_TAIL = 25
_QUIET = ("WARNING: Location", "Attempting uninstall", "Found existing", "Uninstalling", "Successfully uninstalled")


class SetupFailed(Exception):
    """The set-up cannot go on; the message says what is missing and what to do."""


def main(arguments: list[str]) -> int:
    """Set up the checkout that holds this file. Returns 0, or 7 where it could not."""
    parser = argparse.ArgumentParser(prog="bootstrap", description=__doc__)
    parser.add_argument("--python", default="", help="interpreter for .venv; default: the first that is new enough")
    parser.add_argument("--system", choices=("0", "1"), default="1", help="0: install no system packages")
    options = parser.parse_args(arguments)
    root = Path(__file__).resolve().parents[2]
    beside = threading.Thread()
    try:
        python = find_python(options.python)
        prefix, missing = system_packages(python, not usable(root / VENV), may_install=options.system == "1")
        install(prefix, [name for name in missing if name.endswith("-venv")])
        beside = threading.Thread(target=_install_the_rest, args=(prefix, missing))
        beside.start()  # apt-get waits for the network and the disk while pip computes, and the other way round
        environment(root, python, chosen=bool(options.python))
    except SetupFailed as error:
        say(str(error))
        return EXIT_CODE
    finally:
        if beside.ident:
            beside.join()
    return 0


def _install_the_rest(prefix: list[str], missing: list[str]) -> None:
    install(prefix, [name for name in missing if name in TEX_PACKAGES])
    install(prefix, [name for name in missing if name in DATA_PACKAGES])


def say(line: str) -> None:
    """One line of progress."""
    sys.stderr.write(f"set-up [{time.monotonic() - _START:5.1f} s] {line}\n")
    sys.stderr.flush()


def find_python(wanted: str = "") -> str:
    """Path of the interpreter to build `.venv` with: `wanted`, this one, or one on the PATH, new enough.

    Raises:
        SetupFailed: there is none.
    """
    need = ".".join(map(str, OLDEST))
    here = getattr(sys, "_base_executable", sys.executable)  # not that of the .venv that may be made anew
    for name in [wanted] if wanted else [here, *CANDIDATES]:
        path = shutil.which(name)
        if path and version_of(path) >= OLDEST:
            return path
    found = f"{wanted} is not" if wanted else "there is no"
    raise SetupFailed(
        f"{found} Python {need} or newer: install one (Debian, Ubuntu: apt-get install python3), or name one "
        f"with `make report PYTHON=/path/to/python{need}`."
    )


def version_of(python: str) -> tuple[int, ...]:
    """Major and minor version of an interpreter, (0, 0) if it does not run."""
    code = "import sys; print(*sys.version_info[:2])"
    out = _output(python, "-c", code).split()
    return tuple(map(int, out)) if len(out) == 2 else (0, 0)


def system_packages(python: str, needs_venv: bool, may_install: bool) -> tuple[list[str], list[str]]:
    """What to put before a command to make it root's, and the Debian packages to install with it.

    None to install where we may not: one line then says what is missing and what it is for.
    """
    wanted = {} if _has_tex() else dict.fromkeys(TEX_PACKAGES, "the PDFs")
    wanted.update(dict.fromkeys(DATA_PACKAGES, "Fashion-MNIST without a download"))
    if needs_venv and not _runs(python, "import ensurepip, venv"):
        wanted["python{}.{}-venv".format(*version_of(python))] = "the environment"
    if not shutil.which("dpkg-query"):
        if not _has_tex():
            say("xelatex or latexmk is not installed: the report will be HTML without PDFs.")
        return [], []
    missing = missing_packages(list(wanted))
    prefix = administrator() if may_install and missing else None
    if prefix is not None:
        return prefix, missing
    if missing:
        purposes = dict.fromkeys(wanted[name] for name in missing)
        say(f"missing for {' and '.join(purposes)}; as root: apt-get install {' '.join(missing)}")
    return [], []


def missing_packages(names: list[str]) -> list[str]:
    """Those of the Debian packages that are not installed."""
    out = _output("dpkg-query", "--show", "--showformat", "${Package} ${db:Status-Status}\\n", *names)
    present = {line.split()[0] for line in out.splitlines() if line.endswith(" installed")}
    return [name for name in names if name not in present]


def administrator() -> "list[str] | None":
    """What to put before a command that needs root: nothing, or sudo where it asks no password; else None."""
    if not shutil.which("apt-get"):
        return None
    if os.geteuid() == 0:
        return []
    try:
        asks_nothing = subprocess.run(["sudo", "-n", "true"], capture_output=True, check=False).returncode == 0
    except OSError:
        return None
    return ["sudo", "-n"] if asks_nothing else None


def install(prefix: list[str], names: list[str]) -> None:
    """Install Debian packages; a failure is one line, and the set-up goes on."""
    if not names:
        return
    say(f"installing {' '.join(names)}")
    setting = ["env", "DEBIAN_FRONTEND=noninteractive"]
    get = [*prefix, *setting, "apt-get", "-q", "-y", "-o", "DPkg::Lock::Timeout=300"]
    commands = [[*get, "update"], [*get, "install", "--no-install-recommends", *names]]
    for command in commands:
        if stream(command) != 0:
            say(f"apt-get failed, see above: going on without {' '.join(names)}")
            return


def environment(root: Path, python: str, chosen: bool = False) -> None:
    """Make `.venv` and install the package with its extras, unless that was done from the same files.

    Args:
        root: the checkout.
        python: the interpreter to make `.venv` with.
        chosen: True if the user named it: then a `.venv` of another version is made anew.

    Raises:
        SetupFailed: `venv` or pip failed.
    """
    venv = root / VENV
    own, stamp = interpreter(venv), venv / STAMP
    if not usable(venv) or (chosen and version_of(str(own)) != version_of(python)):
        say(f"making {VENV} with {python}")
        if subprocess.run([python, "-m", "venv", "--clear", VENV], cwd=root, check=False).returncode != 0:
            package = "python{}.{}-venv".format(*version_of(python))
            raise SetupFailed(f"{python} cannot make {VENV}: on Debian or Ubuntu install {package} as root.")
    digest = fingerprint(root, version_of(str(own)))
    if stamp.is_file() and stamp.read_text(encoding="utf-8") == digest:
        return
    say("installing Python packages (minutes, the first time)")
    stamp.unlink(missing_ok=True)
    pip = [str(own), "-m", "pip", "--disable-pip-version-check", "install", "-c", "constraints.txt"]
    pip.append("--no-compile")  # a third of the time; Python compiles what it imports
    if stream([*pip, "-e", f".[{EXTRAS}]"], cwd=root) != 0:
        raise SetupFailed("pip failed, see above: check the network, then run the same command again.")
    stamp.write_text(digest, encoding="utf-8")
    say("ready")


def interpreter(venv: Path) -> Path:
    """Where an environment has its Python."""
    return venv / ("Scripts" if os.name == "nt" else "bin") / "python"


def usable(venv: Path) -> bool:
    """True for an environment that runs, is new enough, has pip, and was not moved here from elsewhere."""
    try:
        settings = (venv / "pyvenv.cfg").read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return False
    made = [line for line in settings if line.startswith("command = ")]
    if made and not made[0].endswith(str(venv)):
        return False
    python = str(interpreter(venv))
    return version_of(python) >= OLDEST and _runs(python, "import pip")


def fingerprint(root: Path, version: tuple[int, ...]) -> str:
    """Hash of what an installation depends on: its place, its Python, and the files that list requirements."""
    digest = hashlib.sha256(os.fsencode(f"{root} {version}"))
    for name in ("pyproject.toml", "constraints.txt"):
        digest.update((root / name).read_bytes())
    return digest.hexdigest()


def stream(command: list[str], cwd: "Path | None" = None) -> int:
    """Run a command that talks much, show where it is every few seconds, and all of its end if it fails."""
    try:
        child = subprocess.Popen(
            command, cwd=cwd, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
    except OSError as error:
        say(f"{command[0]}: {error.strerror}")
        return 127
    lines = [""]
    with child:
        reader = threading.Thread(target=_read, args=(child, lines), daemon=True)
        reader.start()
        told, shown = time.monotonic(), ""
        while child.poll() is None:
            time.sleep(0.1)
            waited, line = time.monotonic() - told, lines[-1][:90]
            if waited > (4 * _EVERY if line == shown else _EVERY):
                say(f"still: {line}" if line == shown else line)
                told, shown = time.monotonic(), line
        reader.join(5)
    if child.returncode != 0:
        sys.stderr.write("\n".join(lines[-_TAIL:]) + "\n")
    return child.returncode


def _read(child: "subprocess.Popen[bytes]", lines: list[str]) -> None:
    for raw in child.stdout or ():
        line = raw.decode("utf-8", "replace").strip()
        if line and not line.startswith(_QUIET):
            lines.append(line)


def _runs(python: str, code: str) -> bool:
    try:
        return subprocess.run([python, "-c", code], capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def _has_tex() -> bool:
    """True if TeX is there, as Debian's packages or as an installation of the user's own."""
    xelatex = shutil.which("xelatex")
    if not xelatex or not shutil.which("latexmk"):
        return False
    return not os.path.realpath(xelatex).startswith("/usr/bin/") or not shutil.which("dpkg-query")


def _output(*command: str) -> str:
    """Standard output of a command; empty if it is not there."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError:
        return ""
    return done.stdout


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
