"""Latents of new images with the decoder frozen: CPU time until the reconstructions reach a given PSNR.

Ours settles against the linear part, then fits all images at once along a falling rate. The other way is the one of
the course's harness: one dense Adam on the whole table, passes over batches of 64, its rate the best of several. Both
start from random latents. The aim is what a long fit of ours reaches, less a tenth of a decibel.
"""

import argparse
import math
import time
from collections.abc import Iterator
from typing import Any

import torch
from _measure import write
from torch import Tensor

from coursework.conditionals import GaussianDecoder, LatentTable
from coursework.data import load
from coursework.distributions.families import FAMILIES
from coursework.experiments import configure
from coursework.experiments.trained import trained_decoder
from coursework.inference import decode
from coursework.restarts import settled_fit
from coursework.runs import run
from coursework.training.device import device_name

BELOW = 0.1
"""Decibels below the long fit."""

BATCH_SIZE, INIT_SCALE, TEST_RATE, SETTLE_STEPS = 64, 0.01, 0.2, 40
LONG = 400
DELTA = FAMILIES["delta"]


def psnr(decoder: GaussianDecoder, latents: Tensor, x: Tensor) -> float:
    """Peak signal-to-noise ratio over all images, in dB."""
    return -10 * math.log10((decode(decoder, latents).clamp(0, 1) - x).square().mean().item())


def ours(decoder: GaussianDecoder, x: Tensor, num_steps: int, seed: int) -> tuple[float, float]:
    """Seconds and PSNR of a fit of this many steps."""
    dim = decoder.net.linear.in_features
    began = time.process_time()
    table = settled_fit(
        decoder,
        x,
        DELTA,
        dim,
        beta=0.0,
        settle_steps=SETTLE_STEPS,
        num_steps=num_steps,
        lr=TEST_RATE,
        seed=seed,
        init_scale=INIT_SCALE,
    )
    seconds = time.process_time() - began
    return seconds, psnr(decoder, table.locations(), x)


def harness(decoder: GaussianDecoder, x: Tensor, rate: float, seed: int) -> Iterator[tuple[float, float]]:
    """Seconds so far and PSNR after every pass; measuring the PSNR costs nothing here."""
    generator = torch.Generator().manual_seed(seed)
    latents = LatentTable(len(x), decoder.net.linear.in_features, DELTA, init_scale=INIT_SCALE, generator=generator).raw
    latents = latents.detach()[:, 0].requires_grad_()
    optimizer = torch.optim.Adam([latents], lr=rate)
    seconds = 0.0
    while True:
        began = time.process_time()
        for index in torch.arange(len(x)).split(BATCH_SIZE):
            optimizer.zero_grad()
            error = torch.linalg.vector_norm(x[index] - decoder(latents[index]).mean)
            (255 * error / x[index].numel()).backward()
            optimizer.step()
        seconds += time.process_time() - began
        yield seconds, psnr(decoder, latents.detach(), x)


def compare(decoder: GaussianDecoder, x: Tensor, rates: list[float], limit: float) -> dict[str, Any]:
    """What both ways need to the same PSNR, the harness at the best of its rates."""
    aim = ours(decoder, x, LONG, 0)[1] - BELOW
    tries = []
    for num_steps in (10, 15, 20, 30, 40, 60, 80, 120, 160, 240, LONG):
        seconds, reached = ours(decoder, x, num_steps, seed=1)
        tries.append({"steps": num_steps, "seconds": seconds, "psnr": reached})
        if reached >= aim:
            break
    curves: dict[str, list[tuple[float, float]]] = {}
    best = limit
    for rate in rates:
        curve = curves[str(rate)] = []
        for seconds, reached in harness(decoder, x, rate, seed=1):
            curve.append((seconds, reached))
            if reached >= aim or seconds > best:
                break
        if reached >= aim:
            best = min(best, seconds)
    reached_by_any = any(curve[-1][1] >= aim for curve in curves.values())
    ratio = best / tries[-1]["seconds"]
    print(f"{len(x)} images to {aim:.2f} dB")
    print(f"  ours              {tries[-1]['seconds']:8.2f}   {tries[-1]['steps']} steps, {tries[-1]['psnr']:.2f} dB")
    for rate, curve in curves.items():
        print(f"  harness at {rate:>6} {curve[-1][0]:8.2f}   {len(curve)} passes, {curve[-1][1]:.2f} dB")
    print(f"  harness by ours {'' if reached_by_any else 'more than '}{ratio:.1f}", flush=True)
    return {
        "images": len(x),
        "aim": aim,
        "ours": tries,
        "harness": curves,
        "harness_reached": reached_by_any,
        "harness_by_ours": ratio,
    }


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, nargs="+", default=[1000, 10_000], help="numbers of images")
    parser.add_argument(
        "--profile", default="fast", help="of the auto-decoder whose decoder is used; it is trained once"
    )
    parser.add_argument(
        "--rates", type=float, nargs="+", default=[0.03, 0.1, 0.3], help="that the harness may choose from"
    )
    parser.add_argument("--limit", type=float, default=120.0, help="CPU seconds per 1,000 images for a rate")
    options = parser.parse_args()
    torch.set_num_threads(1)
    decoder = trained_decoder(run(configure("ad", options.profile)))
    images = load("fashion-mnist", "test", n=max(options.images)).images / 255
    ours(decoder, images[:100], 2, 0)  # first calls cost more
    print(f"CPU seconds, one thread of {device_name()}")
    fits = [compare(decoder, images[:n], options.rates, options.limit * max(1, n / 1000)) for n in options.images]
    write("inference", {"profile": options.profile, "fits": fits})


if __name__ == "__main__":
    main()
