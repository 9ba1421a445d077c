"""Results in prose are glued from what ran: a digit beside a word for a result is a fault."""

import re
from pathlib import Path

import jupytext
import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted((ROOT / "notebooks").rglob("*.md"))

RESULT = re.compile(
    r"\b(accurac\w+|scores?|loss(es)?|errors?|seconds?|minutes?|percent|per cent|psnr|ssim|mse|fid|bleu|nats?|bits|"
    r"decibels?|dB|norms?|steps|iterations|mean|median|spread|deviations?|faster|slower|larger|smaller|better|worse|"
    r"higher|lower|parameters|gradients?|megabytes?|times|fraction|correlation)\b|[%±]",
    re.IGNORECASE,
)
NUMBER = re.compile(r"(?<![\w.,^_{\\-])\d+(?:[.,]\d+)*(?![\w}])")
DECIMAL = re.compile(r"(?<![\w.])\d+\.\d+")
# What a question or a definition fixes, and what only counts or names.
CONSTANTS = re.compile(
    r"\b(0 (to|and) (1|255)|batch(es)? of 64|0\.\.255|255|256|28 ?× ?28|32 ?× ?32|1, 1, 1|N\(0, [1I]\)|(19|20)\d\d)\b"
)


def prose(markdown):
    """The page without its code, displayed formulas, roles, citations and options of directives."""
    for dropped in (
        r"(?ms)^```\{code-cell\}.*?^```\s*$",
        r"(?ms)^```.*?^```\s*$",
        r"(?s)\$\$.*?\$\$",
        r"(?m)^:\w+:.*$",
        r"(?m)^#+ (?:(?:W|D)\d+[\w.()]*|S-[A-Z]+ \d+)",
        r"\{[\w:]+\}`[^`]*`",
        r"`[^`]*`",
        r"\]\([^)]*\)",
    ):
        markdown = re.sub(dropped, " ", markdown)
    return markdown


def typed_results(markdown):
    """Sentences with a word for a result and a number that somebody typed; in formulas only decimals count."""
    found = []
    for sentence in re.split(r"(?<=[.:;?])\s+|\n\s*\n|\n(?=- |\|)", prose(markdown)):
        formulas = re.findall(r"\$[^$]*\$", sentence)
        words = CONSTANTS.sub(" ", re.sub(r"\$[^$]*\$", " ", sentence))
        numbers = NUMBER.findall(words) + [n for formula in formulas for n in DECIMAL.findall(formula)]
        if numbers and RESULT.search(words):
            found.append(f"{', '.join(numbers)} in: {' '.join(sentence.split())}")
    return found


def test_there_are_pages():
    assert len(PAGES) >= 3


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT / "notebooks").as_posix())
def test_no_result_is_typed(page):
    text = page.read_text(encoding="utf-8")
    cells = jupytext.reads(text, fmt="md:myst").cells
    found = [fault for cell in cells if cell.cell_type == "markdown" for fault in typed_results(cell.source)]
    assert not found, "\n".join([f"{page.name}: glue these numbers from what ran:", *found])


@pytest.mark.parametrize(
    "sentence",
    [
        "The test score is 0.064.",
        "It reaches 91 % of the images.",
        "The network of width 512 is 3 times slower.",
        "An accuracy of $0.91$ is not much.",
        "| VAD | 0.071 | worse |",
    ],
)
def test_a_typed_result_is_found(sentence):
    assert typed_results(f"Words before it. {sentence} And after.")


@pytest.mark.parametrize(
    "sentence",
    [
        "The score is {glue:text}`score:.3f` on pixels from 0 to 1.",
        "The error of $x^2$ over 28 × 28 pixels falls.",
        "It was shown in 1989, and the loss came later.",
        "$$ \\text{score} = 1.157 $$ is a loss.",
        "The layer `Conv2d(1, 1, 32)` has a loss.",
        "Each of the ten classes has 6,000 images.",
    ],
)
def test_what_is_no_result_passes(sentence):
    assert not typed_results(sentence)
