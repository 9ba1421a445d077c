"""Small reports to build: a wet and a dry page, in a folder with a space and an accent in its name."""

import shutil
import types
from pathlib import Path

import pytest

from coursework.report import build

ROOT = Path(__file__).parents[2]

HEADER = """---
jupytext:
  text_representation:
    extension: .md
    format_name: myst
kernelspec:
  display_name: Python 3
  language: python
  name: python3
---
"""

PARAMETERS = 'profile = "cpu"\nseed = 0'

WORDS = "An answer has words, and enough of them that a reader can follow the argument from its start. " * 3

BIBLIOGRAPHY = """
@book{euler1748, author={Leonhard Euler}, title={Introductio}, publisher={Bousquet}, year={1748}}
@book{gauss1801, author={Carl Friedrich Gauss}, title={Disquisitiones}, publisher={Fleischer}, year={1801}}
@book{noether1918, author={Emmy Noether}, title={Variationsprobleme}, publisher={Weidmann}, year={1918}}
"""


def cell(code, tags=(), extra=""):
    """A MyST code cell."""
    options = [f":tags: [{', '.join(tags)}]"] if tags else []
    return "\n".join(["```{code-cell} ipython3", *options, *filter(None, [extra]), "", code, "```", ""])


def page(*blocks, parameters=PARAMETERS):
    """A page's source: its blocks of text and cells, the parameters cell first."""
    return "\n".join([HEADER, cell(parameters, ["parameters"]), *blocks])


def write_project(root, **pages):
    """A report with the given pages, `wet__a` for wet/a, under the real configuration but for its third part."""
    names = [name.replace("__", "/") for name in pages]
    shutil.rmtree(root, ignore_errors=True)
    book = root / "book"
    book.mkdir(parents=True)
    lines = (ROOT / "_config.yml").read_text(encoding="utf-8").splitlines(keepends=True)
    (root / "_config.yml").write_text("".join(line for line in lines if "{doc: studies," not in line), encoding="utf-8")
    chapters = ["format: jb-book", "root: intro", "chapters:"]
    for part in ("wet", "dry"):
        (book / f"{part}.md").write_text(f"# {part.title()}\n\nThe part's first page.\n", encoding="utf-8")
        own = [f"{{file: {name}}}" for name in names if name.startswith(f"{part}/")]
        chapters += [f"  - file: {part}", *([f"    sections: [{', '.join(own)}]"] if own else [])]
    chapters += ["  - file: references"]
    (book / "_toc.yml").write_text("\n".join(chapters), encoding="utf-8")
    (book / "intro.md").write_text("# Intro\n\nThe book.\n", encoding="utf-8")
    (book / "references.md").write_text("# References\n\n```{bibliography}\n```\n", encoding="utf-8")
    (book / "references.bib").write_text(BIBLIOGRAPHY, encoding="utf-8")
    for name, text in zip(names, pages.values(), strict=True):
        path = root / "notebooks" / f"{name}.md"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return root


BEGIN = cell("from coursework.report.page import begin\n\npage = begin(globals())")

WET = page(
    "(w9-1)=\n# W9.1 Sums of seeds\n",
    WORDS,
    "See {ref}`d9`, {doc}`../dry/b`, [the other page](../dry/b.ipynb), {ref}`a proof <d9>` and "
    "{cite}`euler1748`. Here is {eq}`eq-sum` and {numref}`fig-line`.\n",
    "$$\n1 + 1 = 2\n$$ (eq-sum)\n",
    BEGIN,
    cell("import os\n\nprint(page.profile, seed, os.environ['OMP_NUM_THREADS'], os.getcwd())"),
    cell(
        "import sys\n\nprint('\\x1b[31mred\\x1b[0m')\nprint('10%\\r20%\\r30 of 30')\n"
        "print('\\r 50{}|#####     | 1/2 [00:00<00:00, 9.1{}/s]'.format('%', 'it'), file=sys.stderr)\n"
        "print('a warning', file=sys.stderr)"
    ),
    cell("1 + 1  # hidden", ["hide-input"]),
    cell(
        "import matplotlib.pyplot as plt\nfrom coursework.figures.style import vector_output\n\nvector_output()\n"
        "plt.plot([1, 2]);",
        extra=":mystnb:\n:  figure:\n:    name: fig-line\n:    caption: A line that rises\n"
        ":  image:\n:    alt: A straight line from one to two",
    ),
)

DRY = page(
    "(d9)=\n# D9 A proof\n",
    WORDS,
    "See {ref}`w9-1`, {cite}`gauss1801` and {cite}`euler1748`.\n",
    BEGIN,
    cell("from sympy import Symbol\n\n(Symbol('x') + page.seed) ** 2"),
    "## D9(a) One half of it\n",
    f"{WORDS} {{status}}`proved` {WORDS} {{status}}`checked`\n",
)


@pytest.fixture(scope="session")
def make():
    """The functions and texts above, for tests that write pages of their own."""
    names = ("HEADER", "PARAMETERS", "WORDS", "BEGIN", "WET", "DRY", "cell", "page", "write_project")
    return types.SimpleNamespace(**{name: globals()[name] for name in names})


@pytest.fixture(scope="session")
def built(tmp_path_factory):
    """A report built once, HTML only: (checkout, lines of progress)."""
    root = write_project(tmp_path_factory.mktemp("report") / "sp ace é", wet__a=WET, dry__b=DRY)
    lines = []
    assert build.report("fast", root=root, pdf=False, say=lines.append) == 0
    return root, lines


@pytest.fixture
def project(built, tmp_path):
    """A copy of the built report that a test may change."""
    root = tmp_path / "sp ace é"
    shutil.copytree(built[0], root, copy_function=shutil.copy2)
    return root
