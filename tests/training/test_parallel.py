"""Data-parallel training: two processes against one, on the same batches."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from coursework.data import load
from coursework.nets.mlp import MLP
from coursework.training.loop import fit
from coursework.training.parallel import Shard, fit_sharded, gather_rows, own_rows, shard_batches

lightning_fabric = pytest.importorskip("lightning_fabric")
sys.path.insert(0, str(Path(__file__).parent))
import sharded  # noqa: E402 (the processes' script, which this test imports as a module)

CASES = ("delta:0:rows", "delta:0:dense", "normal:1:rows")


@pytest.mark.parametrize(("rows", "count"), [(301, 2), (64, 3), (21, 7), (10, 1)])
def test_shards_hold_every_row_once_and_so_does_an_epoch(rows, count):
    shards = [Shard(rank, count, rows) for rank in range(count)]
    numbers = torch.arange(rows)
    assert torch.cat([numbers[shard.rows] for shard in shards]).sort().values.tolist() == numbers.tolist()
    batches = shard_batches(rows, 32, seed=3, count=count)
    per_epoch = -(-rows // 32)
    orders = []
    for epoch in range(2):
        steps = [batches(epoch * per_epoch + step) for step in range(per_epoch)]
        assert all(max(map(len, parts)) - min(map(len, parts)) <= 1 for parts in steps)
        assert all(sum(map(len, parts)) <= 32 + count for parts in steps)
        seen = torch.cat([whole(parts, count) for parts in steps])
        assert seen.sort().values.tolist() == numbers.tolist()
        orders.append(seen.tolist())
    assert orders[0] != orders[1]
    assert all(torch.equal(a, b) for a, b in zip(batches(0), shard_batches(rows, 32, 3, count)(0), strict=True))


def test_too_many_processes_for_a_batch_are_refused():
    with pytest.raises(ValueError, match="on 3 processes"):
        shard_batches(10, 2, seed=0, count=3)


def test_one_process_is_the_plain_loop_bit_by_bit():
    fabric = lightning_fabric.Fabric(accelerator="cpu", devices=1)
    fabric.launch()
    records, tables = [], []
    batches = shard_batches(sharded.ROWS, sharded.BATCH_SIZE, sharded.SEED, 1)
    options = {"num_steps": 20, "on_log": lambda _, record: records.append(record)}
    for parallel in (True, False):
        images, table, decoder = sharded.parts("delta")
        shard = Shard(0, 1, sharded.ROWS)
        table = own_rows(table, shard)
        players = {"ad": sharded.player_of(table, decoder, images, 0.0, "rows")}
        if parallel:
            fit_sharded(fabric, players, batches, seed=1, **options)
        else:
            fit(players, lambda step: batches(step)[0], **options)
        tables.append(gather_rows(fabric, table.raw.detach(), shard))
    assert records[0] == records[1]
    assert torch.equal(*tables)


@pytest.mark.slow
def test_two_processes_equal_one_in_loss_after_two_hundred_steps(tmp_path):
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    subprocess.run(
        [*torchrun, sharded.__file__, str(tmp_path), *CASES],
        env={**os.environ, "OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo"},
        check=True,
    )
    for case in CASES:
        family, beta, mode = case.split(":")
        first, second = (torch.load(tmp_path / f"{family}-{mode}-{rank}.pt") for rank in (0, 1))
        for name, weight in first["decoder"].items():
            assert torch.equal(weight, second["decoder"][name])  # not a bit apart
        assert torch.equal(first["raw"], second["raw"])
        assert torch.equal(first["raw"][0::2], first["own"])
        assert torch.equal(first["raw"][1::2], second["own"])
        records = json.loads((tmp_path / f"{family}-{mode}-0.json").read_text(encoding="utf-8"))
        alone, raw = in_one_process(family, float(beta), mode)
        assert len(records) == len(alone) == sharded.STEPS
        assert alone[-1]["ad/loss"] < 0.5 * alone[0]["ad/loss"]
        if family == "delta":  # no draws
            for ours, reference in zip(records, alone, strict=True):
                assert ours == pytest.approx(reference, rel=1e-5, abs=1e-5)  # the loss crosses zero
            torch.testing.assert_close(first["raw"], raw, rtol=1e-3, atol=1e-4)
        else:  # other draws, the same law
            assert records[-1]["ad/loss"] == pytest.approx(alone[-1]["ad/loss"], rel=0.1)


@pytest.mark.slow
def test_the_script_that_the_book_shows_runs(tmp_path):
    page = (Path(__file__).resolve().parents[2] / "book" / "scale_out.md").read_text(encoding="utf-8")
    (script,) = [block for block in re.findall(r"```python\n(.*?)```", page, re.DOTALL) if "fit_sharded" in block]
    (tmp_path / "sharded.py").write_text(script, encoding="utf-8")
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    done = subprocess.run(
        [*torchrun, "sharded.py"],
        cwd=tmp_path,
        env={**os.environ, "OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo", "CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        text=True,
        check=True,
    )
    losses = [float(loss) for loss in re.findall(r"'ad/loss': (-?[\d.]+)", done.stdout)]
    assert len(losses) == 8  # of one process alone
    assert losses[-1] < losses[0] - 20
    saved = load_file(tmp_path / "sharded.safetensors")
    images = load("digits", "train").images / 255
    decoder = torch.nn.Sequential(MLP([16, 128, 64]), torch.nn.Unflatten(1, (8, 8)))
    decoder.load_state_dict({k.removeprefix("net."): v for k, v in saved.items() if k.startswith("net.")})
    error = (decoder(saved["latents"]) - images).square().mean().item()
    assert error < 0.5 * (images.mean(0) - images).square().mean().item()  # every row has its own image's latent


def in_one_process(family, beta, mode):
    """The plain loop on the batches that the two processes share."""
    images, table, decoder = sharded.parts(family)
    player = sharded.player_of(table, decoder, images, beta, mode)
    batches = shard_batches(sharded.ROWS, sharded.BATCH_SIZE, sharded.SEED, 2)
    records = []
    fit(
        {"ad": player},
        lambda step: whole(batches(step), 2),
        sharded.STEPS,
        log_every=1,
        on_log=lambda _, record: records.append(record),
    )
    player.optimizers[1].finish()
    return records, table.raw.detach()


def whole(parts, count):
    """Row numbers in the whole of the shards' batches."""
    return torch.cat([rank + part * count for rank, part in enumerate(parts)])
