"""The PDFs of a torture page: every sign, every kind of link, hostile strings; checked in the PDF itself."""

import shutil
import subprocess

import pytest
from pypdf import PdfReader

from coursework.errors import BuildError
from coursework.report import build, checks, render

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(bool(render.missing_tex()), reason=f"not installed: {', '.join(render.missing_tex())}"),
]

HOSTILE = r"<script>alert(1)</script> \input{/etc/passwd} \write18{id} $\immediate$ %~#&_^{} “é” «à»"
SIGNS = "αβγδ θ ∇ ∂ Σ ∞ ≤ ≠ → ⇒ é à ü ñ ø ß € £ – — … « guillemets » “quotes” ‘single’ × · ² ½ °"


@pytest.fixture(scope="module")
def torture(make, tmp_path_factory):
    """(checkout, text of wet.pdf, text of dry.pdf)."""
    rows = "print('| n | square |\\n|---|---|')"
    table = (
        "from IPython.display import Markdown\n\n"
        "Markdown('\\n'.join(['| number | square | sign |', '|---|---|---|',"
        " *(f'| {n} | {n**2} | θ{n} |' for n in range(120))]))"
    )
    wet = make.WET.replace("print('10%\\r20%\\r30 of 30')\n", "") + "\n".join(
        [
            f"\n## W9.2 Signs\n\n{make.WORDS} {SIGNS}\n\nIn code: `{SIGNS[:30]}`, `{HOSTILE.replace('`', '')}`.\n",
            "Hostile in prose: <script>alert(1)</script> and \\input{/etc/passwd}.\n",
            "See {ref}`d9` again, {doc}`../intro`, and a [web page](https://example.org/a_b?c=1%20).\n",
            "```{admonition} A box\n:class: tip\nWith $\\sum_{i=1}^n x_i$ inside.\n```\n",
            make.cell(f"print({HOSTILE!r})\nprint({SIGNS!r})"),
            make.cell(f"{HOSTILE!r}"),
            make.cell("value = " + " + ".join(f"{n}" for n in range(120)) + "\nvalue"),
            make.cell("print('x' * 300)"),
            make.cell(table),
            make.cell("secret = 'this output is hidden'\nsecret", ["hide-output"]),
            make.cell("'this cell is hidden'", ["hide-cell"]),
            make.cell(rows, ["remove-cell"]),
        ]
    )
    root = make.write_project(
        tmp_path_factory.mktemp("pdf") / "sp ace é", wet__a=wet, dry__b=make.DRY + make.WORDS * 25
    )
    assert build.report("fast", root=root, say=lambda line: None) == 0
    texts = ["\n".join(p.extract_text() for p in PdfReader(pdf).pages) for pdf in _pdfs(root)]
    return root, *texts


def _pdfs(root):
    return [root / "build" / "fast" / f"{part}.pdf" for part in ("wet", "dry")]


def test_html_and_pdfs_pass_every_check(torture):
    answered = {"W9.1": "wet/a", "W9.2": "wet/a", "D9": "dry/b", "D9(a)": "dry/b"}
    problems = checks.check(torture[0] / "build" / "fast", answered=answered, root=torture[0])
    assert problems == []


def test_every_sign_is_in_the_pdf(torture):
    text = "".join(torture[1].split())
    assert [sign for sign in SIGNS if not sign.isspace() and sign not in text] == []


def test_hostile_strings_are_inert(torture):
    root, wet, _ = torture
    joined = "".join(wet.split())
    assert "<script>alert(1)</script>" in joined
    assert "\\input{/etc/passwd}" in joined
    assert "root:" not in wet
    html = (root / "build" / "fast" / "html" / "wet" / "a.html").read_text(encoding="utf-8")
    assert "<script>alert" not in html
    assert html.count("&lt;script&gt;alert(1)&lt;/script&gt;") >= 3


def test_sentences_carry_their_status(torture):
    text = "".join(torture[2].split())
    assert text.count("[proved]") == text.count("[checkednumerically]") == 1


def test_what_a_click_would_show_is_not_in_the_pdf(torture):
    _, wet, _ = torture
    assert "secret" in wet
    assert wet.count("this output is hidden") == 1  # in the code, not as output
    assert "this cell is hidden" not in wet
    assert "# hidden" not in wet
    assert "injected" not in wet


def test_links_out_of_a_part_are_words(torture):
    _, wet, dry = torture
    wet, dry = " ".join(wet.split()), " ".join(dry.split())
    assert wet.count("D9 A proof (Dry part") >= 3
    assert "a proof (Dry part" in wet
    assert "the other page (Dry part" in wet
    assert "Intro (HTML book)" in wet
    assert "W9.1 Sums of seeds (Wet part" in dry


def test_each_part_lists_what_it_cites_and_no_more(torture):
    _, wet, dry = torture
    assert [name for name in ("Euler", "Gauss", "Noether") if name in wet] == ["Euler"]
    assert [name for name in ("Euler", "Gauss", "Noether") if name in dry] == ["Euler", "Gauss"]
    assert dry.count("Introductio") == 1


def test_the_title_page_names_the_profile_and_bookmarks_the_sections(torture):
    reader = PdfReader(_pdfs(torture[0])[0])
    assert "profile fast" in reader.pages[0].extract_text()
    assert {"W9.1 Sums of seeds", "W9.2 Signs", "References"} <= set(checks._bookmarks(reader.outline))


def test_the_same_input_gives_the_same_bytes(torture):
    root = torture[0]
    before = [pdf.read_bytes() for pdf in _pdfs(root)]
    shutil.rmtree(root / "build" / "fast" / "_build")
    render.pdfs(root / "build" / "fast")
    assert [pdf.read_bytes() for pdf in _pdfs(root)] == before


def test_plain_jupyter_book_builds_the_records(torture, monkeypatch):
    """Word for word what the README says, in a checkout with records; output at its top."""
    root = torture[0]
    build.report("fast", root=root, record=True, pdf=False, say=lambda line: None)
    command = ["-c", "from jupyter_book.cli.main import main; main()", "build", "book/"]
    for options in ([], ["--builder", "pdflatex"]):
        done = subprocess.run(
            [render.sys.executable, *command, *options, "-n", "-W", "--keep-going"],
            cwd=root,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    answered = {"W9.1": "wet/a", "W9.2": "wet/a", "D9": "dry/b", "D9(a)": "dry/b"}
    problems = checks.check(root / "_build", answered=answered, root=root)
    assert problems == []
    shutil.rmtree(root / "_build")


def test_a_number_of_another_part_is_an_error(torture):
    root = torture[0]
    path = root / "notebooks" / "dry" / "b.md"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("See", "By {eq}`eq-sum`, see"), encoding="utf-8")
    with pytest.raises(BuildError, match=r"points into another PDF.*refer to the section"):
        build.report("fast", root=root, say=lambda line: None)
