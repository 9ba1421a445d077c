"""The benchmarks' page says what the results of record say, and nothing else."""

import importlib
import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
MACHINE = {"processor": "A processor", "torch": "2.0", "threads": 1}


@pytest.fixture
def page(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT))
    return importlib.import_module("benchmarks.page")


def test_the_page_of_record_is_made_of_the_record(page):
    results = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in page.RECORD.glob("*.json")}
    assert (ROOT / "book" / "benchmarks.md").read_text(encoding="utf-8") == page.page(results)


def cells(text, first):
    """The cells of the table row that begins with `first`."""
    (line,) = re.findall(rf"^\| {re.escape(first)} \|.*$", text, re.MULTILINE)
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_an_epoch_is_shown_with_ratios_and_the_difference_of_bounds(page):
    result = {
        **MACHINE,
        "images": 12_800,
        "epochs": 4,
        "seeds": 3,
        "seconds": {"ours": [3.0, 1.0, 2.0], "DataLoader loop": [8.0, 8.5, 7.0], "products, float32": [1.5, 1.0, 1.0]},
        "compiling": {"ours, compiled": 30.4},
        "ratios": {"ours / DataLoader loop": 0.25, "ours / products, float32": 2.0},
        "minus_bound": {"ours": [240.0, 241.0], "DataLoader loop": [240.5, 241.5]},
        "minus_bound_ours_less": {"DataLoader loop": {"mean": -0.5, "standard_error": 0.7}},
    }
    text = page.page({"vae_epoch": result})
    assert cells(text, "DataLoader loop") == [
        "DataLoader loop",
        "8.00",
        "241.00",
        "-0.50\N{NO-BREAK SPACE}±\N{NO-BREAK SPACE}0.70",
    ]
    assert cells(text, "products, float32") == ["products, float32", "1.00", "", ""]
    assert "| ours | 2.00 | 240.50 |  |" in text
    assert "|  | DataLoader loop | products, float32 |" in text
    assert "| ours | 0.25 | 2.00 |" in text
    assert "Compiling for *ours, compiled* took 30 CPU s more, once." in text
    assert "4 epochs of 12,800 images" in text
    assert "*A processor, torch 2.0.*" in text


def test_a_rate_that_never_arrives_is_no_contender(page):
    tries = [{"steps": 10, "seconds": 0.5, "psnr": 20.1}]
    fit = {"images": 1000, "aim": 20.0, "ours": {"ours": tries, "ours, bfloat16": tries}}
    arrived = {"0.1": [(3.0, 19.0), (6.0, 20.0)], "0.3": [(2.0, 15.0)]}
    ratios = {"ours": 12.0, "ours, bfloat16": 4.0}
    fits = [
        {**fit, "harness": arrived, "harness_reached": True, "harness_by_ours": ratios},
        {**fit, "images": 50, "harness": {"0.3": [(2.0, 15.0)]}, "harness_reached": False, "harness_by_ours": ratios},
    ]
    text = page.page({"inference": {**MACHINE, "fits": fits}})
    assert "| 1,000 | 20.00 | ours | 0.50 | 6.00 | 12.0 |" in text
    assert "| 1,000 | 20.00 | ours, bfloat16 | 0.50 | 6.00 | 4.0 |" in text
    assert "| 50 | 20.00 | ours, bfloat16 | 0.50 | not in 2 | more than 4.0 |" in text


def test_a_step_is_shown_for_every_length_of_the_table(page):
    steps = [
        {
            "optimizer": "Adam",
            "rows": n,
            "milliseconds": [n / 10],
            "largest_tensor_mb": n / 100,
            "kept_bytes_per_row": 9.0,
        }
        for n in (1000, 20)
    ]
    text = page.page({"row_adam": {**MACHINE, "steps": steps, "last_by_first": {"Adam": 50.0}}})
    assert "| Adam | 2.00 | 100.00 | 50.00 |" in text
    assert "| Adam | 0.20 | 10.00 | 9 |" in text
