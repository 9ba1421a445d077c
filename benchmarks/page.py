"""The book's page on the benchmarks, written from their results of record."""

import statistics
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

RECORD = Path(__file__).resolve().parent / "record"
"""Results of record, a JSON file per benchmark."""

_INTRO = """# Benchmarks

What training, latents, maps and the report cost, beside other ways to do the same. Times are process CPU time of one
thread, unless a column says wall; the contenders of a table ran in one process, those that train in rounds, in random
order within a round. What is in bfloat16 pays on processors made for it, with AVX512_BF16 or AMX, and costs many times
as much on others. This page is written by `python -m benchmarks --record` from the results in `benchmarks/record/`;
`benchmarks/README.md` says what each does.
"""


def page(results: Mapping[str, Mapping[str, Any]]) -> str:
    """The page's Markdown.

    Args:
        results: name of a benchmark → what it wrote.
    """
    sections = {
        "vae_epoch": _vae_epoch,
        "row_adam": _row_adam,
        "inference": _inference,
        "tsne": _tsne,
        "whole_report": _whole_report,
    }
    parts = [
        section(results[name]) + "\n" + _machine(results[name]) for name, section in sections.items() if name in results
    ]
    return "\n".join([_INTRO, *parts])


def _vae_epoch(result: Mapping[str, Any]) -> str:
    times, bounds, gaps = result["seconds"], result["minus_bound"], result["minus_bound_ours_less"]
    own = [name for name in times if name.startswith("ours")]
    others = [name for name in times if name not in own]
    rows = []
    for name in own + others:
        row = [name, f"{statistics.median(times[name]):.2f}", "", ""]
        if name in bounds:
            row[-2] = f"{statistics.mean(bounds[name]):.2f}"
        if name in gaps:
            row[-1] = (
                f"{gaps[name]['mean']:+.2f}\N{NO-BREAK SPACE}±\N{NO-BREAK SPACE}{gaps[name]['standard_error']:.2f}"
            )
        rows.append(row)
    ratios = [[name, *(f"{result['ratios'][f'{name} / {other}']:.2f}" for other in others)] for name in own]
    both = " *Both* is bfloat16 and a compiled loss." if "ours, both" in own else ""
    compiling = "".join(
        f" Compiling for *{name}* took {seconds:.0f} CPU s more, once." for name, seconds in result["compiling"].items()
    )
    return f"""## An epoch of a variational auto-encoder

784-512-256-20, batches of 128, Adam; {result["seeds"]} seeds, {result["epochs"]} epochs of {result["images"]:,} images
of Fashion-MNIST each, medians over the epochs. *products* are the step's matrix products and nothing else: the least
that any implementation in this precision needs. Minus the bound is that of 2,000 held-out images, in nats, the mean
over seeds; the last column is that of *ours* less this one's, with its standard error.{both}{compiling}

{_table(["", "CPU s per 60,000 images", "minus the bound", "ours less it"], rows)}

Time of ours by that of the others in the same round, medians:

{_table(["", *others], ratios)}
"""


def _row_adam(result: Mapping[str, Any]) -> str:
    steps = result["steps"]
    sizes = sorted({step["rows"] for step in steps})
    by_case = {(step["optimizer"], step["rows"]): step for step in steps}
    kinds = list(dict.fromkeys(step["optimizer"] for step in steps))
    time_rows, memory_rows = [], []
    for kind in kinds:
        own = [by_case[kind, size] for size in sizes]
        medians = [f"{statistics.median(step['milliseconds']):.2f}" for step in own]
        time_rows.append([kind, *medians, f"{result['last_by_first'][kind]:.2f}"])
        largest = [f"{step['largest_tensor_mb']:.2f}" for step in own]
        memory_rows.append([kind, *largest, f"{own[-1]['kept_bytes_per_row']:.0f}"])
    heads = [f"{size:,} rows" for size in sizes]
    return f"""## A training step against the rows of the latent table

An auto-decoder with 64 latents and batches of 64: gather, decode, backwards, update. Milliseconds of CPU per step:

{_table(["", *heads, "last / first"], time_rows)}

The largest tensor that a step makes, in MB, and what table and optimiser keep per row of the longest table:

{_table(["", *heads, "bytes per row"], memory_rows)}
"""


def _inference(result: Mapping[str, Any]) -> str:
    rows = []
    for fit in result["fits"]:
        arrived = [curve[-1][0] for curve in fit["harness"].values() if curve[-1][1] >= fit["aim"]]
        longest = max(curve[-1][0] for curve in fit["harness"].values())
        cost = f"{min(arrived):.2f}" if arrived else f"not in {longest:.0f}"
        sign = "" if fit["harness_reached"] else "more than "
        for name, tries in fit["ours"].items():
            by_ours = f"{sign}{fit['harness_by_ours'][name]:.1f}"
            rows.append([f"{fit['images']:,}", f"{fit['aim']:.2f}", name, f"{tries[-1]['seconds']:.2f}", cost, by_ours])
    return f"""## Latents of new images, the decoder frozen

CPU seconds until reconstructions reach a tenth of a decibel less than a long fit does. *Per batch* is one Adam on the
whole table and passes over batches of 64 in single precision, as the course's harness does it, at the best of several
rates.

{_table(["images", "PSNR, dB", "", "CPU s", "per batch, CPU s", "per batch / it"], rows)}
"""


def _tsne(result: Mapping[str, Any]) -> str:
    first = {row["images"]: row["seconds"] for row in result["maps"] if row["method"] == "scikit-learn"}
    rows = [
        [
            f"{row['images']:,}",
            row["method"],
            f"{row['seconds']:.1f}",
            f"{row['seconds'] / first[row['images']]:.2f}",
            f"{row['agreement']:.3f}",
            f"{row['trust']:.4f}",
        ]
        for row in result["maps"]
    ]
    return f"""## Maps by t-SNE

64 principal components of test images. Agreement is the share of images whose ten nearest neighbours in the map vote
for their label.

{_table(["images", "method", "CPU s", "by scikit-learn", "agreement", "trustworthiness"], rows)}
"""


def _whole_report(result: Mapping[str, Any]) -> str:
    rows = [[name, f"{times['wall']:.0f}", f"{times['cpu']:.0f}"] for name, times in result["seconds"].items()]
    command = " ".join(["coursework report --profile", result["profile"], *result["options"]])
    return f"""## The report

`{command}` on {result["cores"]} cores, with no run and no build there, and the same command again.

{_table(["", "wall s", "CPU s"], rows)}
"""


def _machine(result: Mapping[str, Any]) -> str:
    return f"*{result['processor']}, torch {result['torch']}.*\n"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
