"""The device a computation runs on: chosen by name, never silently replaced."""

import platform
from pathlib import Path

import torch

from coursework.errors import DeviceError


def resolve_device(name: str = "auto") -> torch.device:
    """The device called `name`: `cpu`, `cuda`, or `auto` for the first GPU if there is one, else the CPU.

    Raises:
        DeviceError: a GPU is asked for and absent.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if name == "cuda" and not torch.cuda.is_available():
        raise DeviceError(
            "parameter device = 'cuda': no GPU is visible to torch. Use device = 'cpu' or 'auto', or mend the driver "
            "(`coursework doctor` says what torch sees)."
        )
    return torch.device(name)


def device_name(device: torch.device | None = None) -> str:
    """The processor or GPU by its model name, for provenance."""
    device = device or resolve_device()
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()
