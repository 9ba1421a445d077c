"""What is wrong with this environment, and what to do about it, one sentence each.

Nothing is imported here that could itself be missing or broken.
"""

import dataclasses
import importlib.metadata
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

from coursework.errors import SetupError
from coursework.provenance import PACKAGE
from coursework.report.console import show

TEX_PROGRAMS = ("xelatex", "latexmk", "make")
OLDEST_PYTHON = (3, 11)
FONTS = ("TeX Gyre Pagella", "TeX Gyre Pagella Math", "TeX Gyre Heros", "DejaVu Sans Mono")
STYLES = ("unicode-math.sty", "tabulary.sty", "needspace.sty", "microtype.sty", "cmap.sty")
EXTRAS = ("", "book")

_TORCH = """
import json, torch
out = {"torch": torch.__version__, "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None}
try:
    import torchvision
except Exception as error:
    out["torchvision"] = f"{type(error).__name__}: {error}"
print(json.dumps(out))
"""


@dataclasses.dataclass(frozen=True)
class Finding:
    """One thing looked at; `limited`: the report does without it, but shows less; `broken`: it does not run."""

    subject: str
    state: Literal["ok", "limited", "broken"]
    message: str
    remedy: str = ""


@dataclasses.dataclass(frozen=True)
class Probes:
    """How the environment is looked at; a test puts its own functions in their place."""

    python: tuple[int, ...] = sys.version_info[:3]
    requirements: Callable[[], list[str]] = lambda: _requirements()
    version: Callable[[str], str | None] = lambda name: _version(name)
    torch: Callable[[], dict[str, str | None]] = lambda: _torch()
    kernel: Callable[[], str | None] = lambda: kernel_problem()
    which: Callable[[str], str | None] = shutil.which
    fonts: Callable[[], str] = lambda: _output("fc-list", ":", "family")
    style: Callable[[str], str] = lambda name: _output("kpsewhich", name).strip()
    data: Callable[[str], Path | None] = lambda name: _whereabouts(name)


def diagnose(probes: Probes | None = None) -> list[Finding]:
    """Everything the report needs, looked at in turn. Starts no training, opens no network connection."""
    probes = probes or Probes()
    looks = (_python, _packages, _jupyter_book, _torch_pair, _kernel, _tex, _data)
    return [finding for look in looks for finding in look(probes)]


def print_findings(probes: Probes | None = None) -> int:
    """Write the findings to stdout. Returns `SetupError.exit_code` if something is broken, else 0."""
    findings = diagnose(probes)
    signs = {"ok": "ok     ", "limited": "limited", "broken": "BROKEN "}
    for finding in findings:
        show(f"{signs[finding.state]}  {finding.subject}: {finding.message}")
        if finding.remedy:
            show(f"         -> {finding.remedy}")
    return SetupError.exit_code if any(finding.state == "broken" for finding in findings) else 0


def kernel_problem(prefix: Path = Path(sys.prefix)) -> str | None:
    """Why the kernel `python3` of this environment is not this interpreter, and what to do; None if it is."""
    path = prefix / "share" / "jupyter" / "kernels" / "python3" / "kernel.json"
    mend = f"run {sys.executable} -m ipykernel install --sys-prefix"
    try:
        first = json.loads(path.read_text(encoding="utf-8"))["argv"][0]
    except OSError:
        return f"this environment has no Jupyter kernel: {mend}, after pip install -e '.[book]'."
    except (ValueError, LookupError, TypeError):
        return f"{path} is damaged: {mend}."
    here = {Path(folder).absolute() for folder in (prefix / "bin", Path(sys.executable).parent)}
    if first in {"python", "python3", Path(sys.executable).name} or Path(first).absolute().parent in here:
        return None
    return f"the kernel python3 of this environment is {first}, not {sys.executable}: {mend}."


def _python(probes: Probes) -> Iterator[Finding]:
    have, need = ".".join(map(str, probes.python)), ".".join(map(str, OLDEST_PYTHON))
    if tuple(probes.python[:2]) >= OLDEST_PYTHON:
        yield Finding("Python", "ok", f"{have} at {sys.executable}")
    else:
        remedy = f"Install Python {need} or newer and run `make report PYTHON=/path/to/python{need}`."
        yield Finding("Python", "broken", f"{have} is older than {need}.", remedy)


def _packages(probes: Probes) -> Iterator[Finding]:
    names = probes.requirements()
    missing = [name for name in names if probes.version(name) is None]
    if missing:
        remedy = "Run `make report`, or pip install -c constraints.txt -e '.[book,cluster,dev]' in this environment."
        yield Finding("packages", "broken", f"not installed: {', '.join(missing)}.", remedy)
    else:
        yield Finding("packages", "ok", f"all {len(names)} are installed")


def _jupyter_book(probes: Probes) -> Iterator[Finding]:
    installed = probes.version("jupyter-book")
    if installed is None:
        return  # among the missing packages
    if installed.startswith("1."):
        yield Finding("Jupyter Book", "ok", installed)
    else:
        message = f"{installed} is another program than version 1: it does not read _config.yml."
        yield Finding("Jupyter Book", "broken", message, "Run pip install 'jupyter-book==1.0.4.post1'.")


def _torch_pair(probes: Probes) -> Iterator[Finding]:
    seen = probes.torch()
    problem = seen.get("torchvision")
    if seen.get("torch") is None:
        remedy = "Run pip install --force-reinstall torch torchvision, both in one command."
        yield Finding("torch", "broken", f"cannot be imported: {seen.get('error')}", remedy)
    elif problem and "torchvision::nms" in problem:
        message = f"torch {seen['torch']} and torchvision are different builds, one for CUDA and one for the CPU."
        remedy = "Install both from the same place: pip install --force-reinstall torch torchvision."
        yield Finding("torchvision", "broken", message, remedy)
    elif problem:
        remedy = "Run pip install --force-reinstall torch torchvision, both in one command."
        yield Finding("torchvision", "broken", f"cannot be imported: {problem}", remedy)
    else:
        yield Finding("torch", "ok", f"{seen['torch']}, torchvision beside it")
    if gpu := seen.get("gpu"):
        yield Finding("GPU", "ok", gpu)
    elif seen.get("torch"):
        message = "none that torch can see: everything runs on the CPU, profile full in hours."
        yield Finding("GPU", "limited", message, "With an NVIDIA card, check nvidia-smi and torch's CUDA build.")


def _kernel(probes: Probes) -> Iterator[Finding]:
    problem = probes.kernel()
    if problem is None:
        yield Finding("kernel", "ok", "python3 is this interpreter")
    else:
        what, _, remedy = problem.partition(": ")
        yield Finding("kernel", "broken", f"{what}.", remedy[:1].upper() + remedy[1:])


def _tex(probes: Probes) -> Iterator[Finding]:
    remedy = "On Debian or Ubuntu run `make report` as root or with sudo, which installs what is missing."
    missing = [name for name in TEX_PROGRAMS if probes.which(name) is None]
    if missing:
        yield Finding("TeX", "limited", f"no {', no '.join(missing)}: HTML only, no PDF.", remedy)
        return
    lost = [name for name in STYLES if not probes.style(name)]
    if lost:
        yield Finding("TeX", "limited", f"packages are missing ({', '.join(lost)}): no PDF.", remedy)
    families = {name.strip() for line in probes.fonts().splitlines() for name in line.split(",")}
    unseen = [name for name in FONTS if name not in families]
    if unseen:
        yield Finding("fonts", "limited", f"{', '.join(unseen)} not found by fontconfig: no PDF.", remedy)
    if not lost and not unseen:
        yield Finding("TeX", "ok", "xelatex, latexmk, make, packages and fonts")


def _data(probes: Probes) -> Iterator[Finding]:
    name = "fashion-mnist"
    folder = probes.data(name)
    if folder is not None:
        yield Finding("data", "ok", f"{name} in {folder}")
        return
    remedy = f"Without a network, apt-get install dataset-{name}, or set COURSEWORK_DATA to a folder with the files."
    yield Finding("data", "limited", f"{name} is not on this machine: the first run downloads it.", remedy)


def _requirements() -> list[str]:
    """Names of the distributions that the package and its book need, from its own metadata."""
    names = []
    for line in importlib.metadata.requires(PACKAGE) or []:
        extra = re.search(r"extra\s*==\s*['\"]([\w-]+)['\"]", line)
        if (extra[1] if extra else "") in EXTRAS:
            names.append(re.split(r"[^\w.-]", line, maxsplit=1)[0])
    return names


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _torch() -> dict[str, str | None]:
    """What a fresh interpreter sees of torch: an import that kills the process kills only that one."""
    done = subprocess.run([sys.executable, "-c", _TORCH], capture_output=True, text=True, check=False)
    try:
        return json.loads(done.stdout.splitlines()[-1])
    except (ValueError, IndexError):
        lines = done.stderr.strip().splitlines()
        return {"torch": None, "error": lines[-1] if lines else f"exit status {done.returncode}"}


def _whereabouts(name: str) -> Path | None:
    try:
        from coursework.data.sources import whereabouts
    except ImportError:  # what is missing is a finding of its own
        return None
    return whereabouts(name)


def _output(*command: str) -> str:
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout
    except OSError:
        return ""
