"""Latents of new images with the decoder frozen: CPU time until the reconstructions reach a given PSNR.

Ours settles against the linear part, then fits all images at once along a falling rate, which was chosen on training
images. The other way is the one of the course's harness: one dense Adam on the whole table, passes over batches of 64,
its rate the best of several on the images themselves. Both start from random latents. The aim is what a long fit of
ours in single precision reaches, less a tenth of a decibel; reconstructions are compared in single precision.
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

BATCH_SIZE, INIT_SCALE, TEST_RATE, SETTLE_STEPS = 64, 0.01, 0.3, 40
LONG = 400
DELTA = FAMILIES["delta"]


def psnr(decoder: GaussianDecoder, latents: Tensor, x: Tensor) -> float:
    """Peak signal-to-noise ratio over all images, in dB."""
    return -10 * math.log10((decode(decoder, latents).clamp(0, 1) - x).square().mean().item())


def ours(decoder: GaussianDecoder, x: Tensor, num_steps: int, seed: int, *, half: bool = False) -> tuple[float, float]:
    """Seconds and PSNR of a fit of this many steps; `half` for products and convolutions in bfloat16."""
    dim = decoder.net.linear.in_features
    began = time.process_time()
    with torch.autocast("cpu", torch.bfloat16, enabled=half):
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


def fits(decoder: GaussianDecoder, x: Tensor, aim: float, *, half: bool) -> list[dict[str, Any]]:
    """Fits of ours of ever more steps, until one reaches the aim."""
    tries: list[dict[str, Any]] = []
    for num_steps in (*range(30, 100, 5), *range(100, LONG + 1, 20)):
        seconds, reached = ours(decoder, x, num_steps, seed=1, half=half)
        tries.append({"steps": num_steps, "seconds": seconds, "psnr": reached})
        if reached >= aim:
            break
    return tries


def compare(decoder: GaussianDecoder, x: Tensor, rates: list[float], limit: float, *, half: bool) -> dict[str, Any]:
    """What both ways need to the same PSNR, the harness at the best of its rates."""
    aim = ours(decoder, x, LONG, 0)[1] - BELOW
    tries = {"ours": fits(decoder, x, aim, half=False)}
    if half:
        tries["ours, bfloat16"] = fits(decoder, x, aim, half=True)
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
    ratios = {name: best / own[-1]["seconds"] for name, own in tries.items()}
    print(f"{len(x)} images to {aim:.2f} dB")
    for name, own in tries.items():
        print(f"  {name:16}{own[-1]['seconds']:8.2f}   {own[-1]['steps']} steps, {own[-1]['psnr']:.2f} dB")
    for rate, curve in curves.items():
        print(f"  harness at {rate:>5}{curve[-1][0]:8.2f}   {len(curve)} passes, {curve[-1][1]:.2f} dB")
    for name, ratio in ratios.items():
        print(f"  harness by {name}: {'' if reached_by_any else 'more than '}{ratio:.1f}", flush=True)
    return {
        "images": len(x),
        "aim": aim,
        "ours": tries,
        "harness": curves,
        "harness_reached": reached_by_any,
        "harness_by_ours": ratios,
    }


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, nargs="+", default=[1000, 10_000], help="numbers of images")
    parser.add_argument(
        "--profile", default="fast", help="of the auto-decoder whose decoder is used; it is trained once"
    )
    parser.add_argument(
        "--rates", type=float, nargs="+", default=[0.01, 0.02, 0.03, 0.003], help="that the harness may choose from"
    )
    parser.add_argument("--bfloat16", action="store_true", help="also in half precision, for processors made for it")
    parser.add_argument("--limit", type=float, default=120.0, help="CPU seconds per 1,000 images for a rate")
    options = parser.parse_args()
    torch.set_num_threads(1)
    decoder = trained_decoder(run(configure("ad", options.profile)))
    images = load("fashion-mnist", "test", n=max(options.images)).images / 255
    for half in {False, options.bfloat16}:
        ours(decoder, images[:100], 2, 0, half=half)  # first calls cost more
    print(f"CPU seconds, one thread of {device_name()}")
    compared = [
        compare(decoder, images[:n], options.rates, options.limit * max(1, n / 1000), half=options.bfloat16)
        for n in options.images
    ]
    write("inference", {"profile": options.profile, "fits": compared})


if __name__ == "__main__":
    main()
