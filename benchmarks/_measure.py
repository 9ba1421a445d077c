"""What the benchmarks share: interleaved rounds of process CPU time, and results as JSON."""

import json
import random
import statistics
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch

from coursework.training.device import device_name

Seconds = Callable[[], float]
"""Does a piece of work once and says what it cost."""


def cpu_seconds(work: Callable[[], object]) -> float:
    """Process CPU time of one call."""
    began = time.process_time()
    work()
    return time.process_time() - began


def interleaved(cases: Mapping[str, Seconds], rounds: int, seed: int = 0) -> dict[str, list[float]]:
    """Seconds of every case in every round; within a round each has one turn, in random order."""
    times: dict[str, list[float]] = {name: [] for name in cases}
    shuffle = random.Random(seed).shuffle
    for _ in range(rounds):
        order = list(cases)
        shuffle(order)
        for name in order:
            times[name].append(cases[name]())
    return times


def ratio(times: Mapping[str, list[float]], case: str, other: str) -> float:
    """The median over rounds of one case's time by another's in the same round."""
    return statistics.median(a / b for a, b in zip(times[case], times[other], strict=True))


def rounded(value: Any) -> Any:
    """The same with floats to five digits, wherever in it they are."""
    if isinstance(value, float):
        return float(f"{value:.5g}")
    if isinstance(value, Mapping):
        return {key: rounded(each) for key, each in value.items()}
    return [rounded(each) for each in value] if isinstance(value, list | tuple) else value


def write(name: str, content: Mapping[str, Any]) -> None:
    """Write `build/benchmarks/<name>.json`, with the processor and torch's version, and say so."""
    target = Path(__file__).resolve().parents[1] / "build" / "benchmarks" / f"{name}.json"
    target.parent.mkdir(parents=True, exist_ok=True)
    whole = {"processor": device_name(), "torch": torch.__version__, "threads": torch.get_num_threads(), **content}
    target.write_text(json.dumps(rounded(whole), indent=1) + "\n", encoding="utf-8")
    print(f"written to build/benchmarks/{target.name}")
