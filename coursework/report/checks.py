"""Checks of the finished report, on the artefacts themselves: HTML files, PDF files, TeX's logs."""

import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from bs4 import BeautifulSoup

from coursework.errors import BuildError, SetupError
from coursework.report import render
from coursework.report.console import show
from coursework.report.notebook import private_names
from coursework.report.sources import project_root

ANSWERED = {
    "W1.1": "wet/auto_decoder",
    "W1.2": "wet/auto_decoder",
    "W1.3": "wet/auto_decoder",
    "W2.1": "wet/variational",
    "W2.2": "wet/variational",
    "W2.3": "wet/variational",
    "W2.4": "wet/families",
    "W2.5": "wet/families",
    "W2.6": "wet/families",
    "W3": "wet/beyond",
    "W4": "wet/hand_in",
    "D1": "dry/universal_approximation",
    "D1(a)": "dry/universal_approximation",
    "D1(b)": "dry/universal_approximation",
    "D2": "dry/convolution",
    "D2(a)": "dry/convolution",
    "D2(b)": "dry/convolution",
    "D3": "dry/momentum",
    "D4": "dry/backward_scalar",
    "D5": "dry/conv_gradient",
    "D6": "dry/positions",
    "D6(a)": "dry/positions",
    "D6(b)": "dry/positions",
    "D7": "dry/attention_map",
    "D7(a)": "dry/attention_map",
    "D7(b)": "dry/attention_map",
    "D7(c)": "dry/attention_map",
    "D7(d)": "dry/attention_map",
    "D8": "dry/gan_wgan",
    "D9": "dry/diffusion_bound",
    "D9(a)": "dry/diffusion_bound",
    "D9(b)": "dry/diffusion_bound",
    "D9(c)": "dry/diffusion_bound",
    "D10": "dry/gradients",
    "D10(a)": "dry/gradients",
    "D10(b)": "dry/gradients",
    "D10(c)": "dry/gradients",
    **{f"S-VAE {i}": "studies/vae" for i in range(1, 9)},
    **{f"S-GAN {i}": "studies/gan" for i in range(1, 4)},
    "S-NF 1": "studies/flow",
    "S-NF 2": "studies/flow",
    "S-NF 3": "studies/comparison",
    "S-DDPM": "studies/diffusion",
    **{f"S-NMT {i}": "studies/translation" for i in range(1, 4)},
    **{f"S-TR {i}": "studies/layer_norm" for i in range(1, 3)},
}
"""Question of the syllabus → the page that answers it, under a heading that begins with the question's id."""

MIN_WORDS = 40
MIN_PAGES = 2
MAX_OVERFULL = 1.0  # points; less cannot be seen

_ID = re.compile(r"^((?:W|D)\d+(?:\.\d+|\([a-z]\))?|S-DDPM|S-[A-Z]+ \d+)(?!\w)")
_NETWORK = re.compile(r"^(?:https?:)?//", re.IGNORECASE)
_REMOTE_CODE = re.compile(r"""["'](?:https?:)?//[^"'\s]+\.m?(?:js|css)\b""")
_LOADED = {"script": "src", "link": "href", "img": "src", "iframe": "src", "source": "src", "object": "data"}
_MARKS = {
    r"\x1b|(?<!\\x1b)(?<!\\033)\[\d{1,2}(?:;\d+)*m": "a terminal code",
    r"\d(?:it|s)/(?:s|it)\]|\d+%\|": "a progress bar",
    r" at 0x[0-9a-f]{6,}": "the address of an object",
    r"Traceback \(most recent call last\)": "a traceback",
}
_TEX = {
    r"undefined (?:references|citations)|(?:Reference|Citation) .* undefined": "an undefined reference",
    r"multiply.defined": "a label defined twice",
    r"Missing character": "a character that the font lacks",
}


def check(folder: Path, *, answered: Mapping[str, str] = ANSWERED, root: Path | None = None) -> list[str]:
    """What is wrong with a finished build, in sentences; empty if nothing is.

    Args:
        folder: `build/<profile>` or `_build`, with `html/` in it and the PDFs in it or in `latex/`.
        answered: question → page; every question must be found on its page and in its part's PDF.
        root: the checkout, whose configuration names the parts.
    """
    root = project_root(root)
    problems = [*_check_html(folder / "html", answered, private_names(root))]
    pdfs = {part: _first(folder, f"{part}.pdf") for part in render.parts(root / "_config.yml")}
    if render.missing_tex() and not any(pdfs.values()):
        return problems
    for part, pdf in pdfs.items():
        if pdf is None:
            problems.append(f"{part}.pdf is not there")
        else:
            problems += _check_pdf(pdf, [q for q, page in answered.items() if page.startswith(f"{part}/")])
        log = _first(folder, f"{part}.log")
        problems += _check_tex_log(log) if log else [f"TeX's log of {part}.pdf is not there"]
    return problems


def print_problems(folder: Path, *, root: Path | None = None) -> int:
    """Write the problems of a build to stdout, one a line. Returns `BuildError.exit_code` if there are any, else 0."""
    problems = check(folder, root=root)
    for problem in problems:
        show(problem)
    show(f"{len(problems)} problem{'s' * (len(problems) != 1)} in {folder}")
    return BuildError.exit_code if problems else 0


def _first(folder: Path, name: str) -> Path | None:
    places = (folder / name, folder / "latex" / name, folder / "_build" / "latex" / name)
    return next((path for path in places if path.is_file()), None)


def _check_html(folder: Path, answered: Mapping[str, str], private: Mapping[str, str]) -> Iterator[str]:
    pages = {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*.html"))}
    pages = {name: path for name, path in pages.items() if not name.startswith("_static/")}
    if not pages:
        yield f"there is no HTML in {folder}"
    found: dict[str, str] = {}
    for name, path in pages.items():
        text = path.read_text(encoding="utf-8")
        soup = BeautifulSoup(text, "html.parser")
        yield from _loads_from_network(name, soup)
        yield from _images_without_words(name, soup)
        article = soup.find("article") or soup
        for code in article.select(".cell_input"):
            code.extract()
        yield from _marks(name, article.get_text())
        yield from (f"{name} shows {what}, {secret!r}" for secret, what in private.items() if secret in text)
        for heading in article.find_all(re.compile(r"^h[1-6]$")):
            if match := _ID.match(heading.get_text()):
                found[match[1]] = name.removesuffix(".html")
                section = heading.find_parent("section") or article
                if len(section.get_text().split()) < MIN_WORDS:
                    yield f"{name}: the answer to {match[1]} has fewer than {MIN_WORDS} words"
    for question, page in answered.items():
        if found.get(question) != page:
            yield f"{page}.html has no heading that begins with {question}"
    for question in sorted(found.keys() - answered.keys()):
        if "." in question or not any(known.startswith(f"{question}.") for known in answered):
            yield f"{found[question]}.html answers {question}, which ANSWERED in checks.py does not list"


def _loads_from_network(name: str, soup: BeautifulSoup) -> Iterator[str]:
    for tag, attribute in _LOADED.items():
        for node in soup.find_all(tag):
            if _NETWORK.match(str(node.get(attribute) or "")):
                yield f"{name} loads {node[attribute]} from the network"
            if tag == "script" and (match := _REMOTE_CODE.search(node.string or "")):
                yield f"{name} names {match[0][1:]} in a script"


def _images_without_words(name: str, soup: BeautifulSoup) -> Iterator[str]:
    for image in soup.find_all("img"):
        alt, file = str(image.get("alt") or "").strip(), str(image.get("src") or "").rpartition("/")[2]
        if not alt or file in alt:
            yield f"{name}: the image {file} has no alternative text"


def _marks(name: str, text: str) -> Iterator[str]:
    for pattern, what in _MARKS.items():
        if match := re.search(pattern, text):
            around = " ".join(text[max(0, match.start() - 30) : match.end() + 30].split())
            yield f"{name} shows {what}: {around!r}"


def _check_pdf(path: Path, questions: list[str]) -> Iterator[str]:
    try:
        from pypdf import PdfReader
    except ImportError:
        raise SetupError("pypdf is not installed: run `make test`, or pip install -e '.[dev]'.") from None
    reader = PdfReader(path)
    text = "\n".join(page.extract_text() for page in reader.pages)
    if len(reader.pages) < MIN_PAGES:
        yield f"{path.name} has {len(reader.pages)} page, expected at least {MIN_PAGES}"
    titles = list(_bookmarks(reader.outline))
    if not titles:
        yield f"{path.name} has no bookmarks"
    for question in questions:
        if not any(title.startswith(question) for title in titles):
            yield f"{path.name} has no bookmark that begins with {question}"
        if not re.search(rf"(?m)^\s*{re.escape(question)}(?!\w)", text):
            yield f"{path.name} has no line that begins with {question}"
    if "??" in text:
        around = text[max(0, text.index("??") - 40) :][:80]
        yield f"{path.name} shows ??, an unresolved reference: {around!r}"
    yield from _marks(path.name, text)


def _bookmarks(outline: list[Any]) -> Iterator[str]:
    for entry in outline:
        if isinstance(entry, list):
            yield from _bookmarks(entry)
        else:
            yield str(entry.title)


def _check_tex_log(path: Path) -> Iterator[str]:
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    for line, following in zip(lines, [*lines[1:], ""], strict=True):
        for pattern, what in _TEX.items():
            if re.search(pattern, line):
                yield f"{path.name}: {what}: {line.strip()}"
        match = re.match(r"Overfull \\hbox \(([\d.]+)pt", line)
        # Sphinx measures each line of code, which shows in the log as a strut, "|", and then wraps it.
        if match and float(match[1]) > MAX_OVERFULL and not following.startswith("|\\TU/"):
            yield f"{path.name}: a line sticks out by {match[1]} pt: {line.strip()}"


if __name__ == "__main__":
    sys.exit(print_problems(Path(sys.argv[1])))
