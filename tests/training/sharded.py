"""One process of a data-parallel training, for test_parallel.py: `torchrun … sharded.py FOLDER FAMILY:BETA:MODE …`."""

import json
import sys
from pathlib import Path

import torch
from lightning_fabric import Fabric

from coursework.conditionals import GaussianDecoder, LatentTable
from coursework.data import load
from coursework.distributions.families import FAMILIES
from coursework.models.autodecoder import autodecoder_player
from coursework.nets.mlp import MLP
from coursework.training.parallel import Shard, fit_sharded, gather_rows, own_rows, shard_batches

ROWS, LATENT_DIM, BATCH_SIZE, STEPS, SEED = 301, 8, 64, 200, 5


def parts(family):
    """Images, a table and a decoder, the same wherever they are made."""
    generator = torch.Generator().manual_seed(SEED)
    images = load("digits", "train", n=ROWS).images
    table = LatentTable(ROWS, LATENT_DIM, FAMILIES[family], generator=generator)
    with torch.random.fork_rng():
        torch.manual_seed(SEED)
        net = torch.nn.Sequential(MLP([LATENT_DIM, 32, 64]), torch.nn.Unflatten(1, (8, 8)))
    return images, table, GaussianDecoder(net, 0.3)


def player_of(table, decoder, images, beta, mode):
    prior = table.family.prior(LATENT_DIM)
    falling = lambda step: 1 - step / STEPS  # noqa: E731
    options = {"beta": beta, "rate": 2e-3, "latent_rate": 0.05, "betas": (0.9, 0.99), "mode": mode}
    return autodecoder_player(table, decoder, prior, images, schedules=(falling, falling), **options)


def main(fabric, folder, family, beta, mode):
    images, table, decoder = parts(family)
    if fabric.global_rank:
        for parameter in decoder.parameters():
            parameter.data.add_(1.0)  # process 0's weights have to win
    shard = Shard(fabric.global_rank, fabric.world_size, ROWS)
    table = own_rows(table, shard)
    player = player_of(table, decoder, images[shard.rows], float(beta), mode)
    batches = shard_batches(ROWS, BATCH_SIZE, SEED, shard.count)
    records = []
    on_log = lambda done, record: records.append(record)  # noqa: E731
    fit_sharded(fabric, {"ad": player}, batches, STEPS, seed=SEED, log_every=1, on_log=on_log)
    player.optimizers[1].finish()
    raw = gather_rows(fabric, table.raw.detach(), shard)
    torch.save(
        {"raw": raw, "own": table.raw.detach(), "decoder": decoder.state_dict()},
        Path(folder) / f"{family}-{mode}-{fabric.global_rank}.pt",
    )
    target = Path(folder) / f"{family}-{mode}-{fabric.global_rank}.json"
    target.write_text(json.dumps(records), encoding="utf-8")


if __name__ == "__main__":
    torch.set_num_threads(1)
    fabric = Fabric(accelerator="cpu", devices=2, strategy="ddp")
    fabric.launch()
    for case in sys.argv[2:]:
        main(fabric, sys.argv[1], *case.split(":"))
