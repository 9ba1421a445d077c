"""RowAdam against torch's Adam on the whole table."""

import time

import pytest
import torch

from coursework.training.optim import RowAdam


def train_both(mode, num_steps, lr, schedule=lambda step: 1.0, rows=300, batch=16):
    """The same noisy quadratic fitted by torch.optim.Adam on the dense table and by RowAdam."""
    generator = torch.Generator().manual_seed(1)
    start = 0.01 * torch.randn(rows, 2, 5, generator=generator)
    target = torch.randn(rows, 2, 5, generator=generator)
    dense, table = torch.nn.Parameter(start.clone()), torch.nn.Parameter(start.clone())
    adam, row_adam = torch.optim.Adam([dense], lr=lr), RowAdam(table, lr=lr, mode=mode)
    for step in range(num_steps):
        for optimizer in (adam, row_adam):
            optimizer.param_groups[0]["lr"] = lr * schedule(step)
        index = torch.randperm(rows, generator=generator)[:batch]
        goal = target[index] + 0.1 * torch.randn(batch, 2, 5, generator=generator)
        adam.zero_grad()
        (dense[index] - goal).square().sum().backward()
        adam.step()
        (row_adam.gather(index) - goal).square().sum().backward()
        row_adam.step()
    row_adam.finish()
    return start, dense.detach(), table.detach()


@pytest.mark.parametrize("lr", [1e-3, 1e-2, 3e-2])
@pytest.mark.parametrize("schedule", [lambda step: 1.0, lambda step: 1 - step / 400], ids=["constant", "decaying"])
def test_dense_mode_follows_adam_on_the_whole_table(lr, schedule):
    start, dense, table = train_both("dense", 400, lr, schedule)
    assert (dense - start).abs().mean() > 20 * 2e-4  # both moved far more than the tolerance
    assert (dense - table).abs().max() < 2e-4


def test_dense_mode_after_a_long_absence():
    """A row left alone for longer than the sum is cut off at still agrees with Adam."""
    dense, table = torch.nn.Parameter(torch.zeros(2, 1)), torch.nn.Parameter(torch.zeros(2, 1))
    adam, row_adam = torch.optim.Adam([dense], lr=0.1), RowAdam(table, lr=0.1)
    for step in range(1000):
        index = torch.tensor([0 if step == 0 else 1])
        adam.zero_grad()
        (dense[index] - 3).square().sum().backward()
        adam.step()
        (row_adam.gather(index) - 3).square().sum().backward()
        row_adam.step()
    row_adam.finish()
    assert (dense - table).abs().max() < 2e-4
    assert table[0].item() > 0.1 + 0.5  # the momentum of one step went on moving row 0


def test_rows_mode_is_adam_for_a_table_of_one_row():
    table = torch.nn.Parameter(torch.zeros(1, 4))
    dense = torch.nn.Parameter(torch.zeros(1, 4))
    adam, row_adam = torch.optim.Adam([dense], lr=0.05), RowAdam(table, lr=0.05, mode="rows")
    goal = torch.randn(4)
    for _ in range(50):
        adam.zero_grad()
        (dense - goal).square().sum().backward()
        adam.step()
        (row_adam.gather(torch.tensor([0])) - goal).square().sum().backward()
        row_adam.step()
    torch.testing.assert_close(table, dense)


def test_rows_mode_leaves_other_rows_bit_identical():
    table = torch.nn.Parameter(torch.randn(50, 3))
    optimizer = RowAdam(table, lr=0.1, mode="rows")
    for index in (torch.arange(10), torch.arange(5, 20)):
        before = table.detach().clone()
        optimizer.gather(index).square().sum().backward()
        optimizer.step()
        others = torch.ones(50, dtype=torch.bool)
        others[index] = False
        assert torch.equal(table[others], before[others])
        assert not torch.equal(table[index], before[index])
    optimizer.finish()
    assert torch.equal(table[20:], before[20:])


def test_dense_mode_moves_rows_outside_the_batch_once_they_are_asked_for():
    table = torch.nn.Parameter(torch.randn(4, 3))
    optimizer = RowAdam(table, lr=0.1)
    optimizer.gather(torch.tensor([0])).square().sum().backward()
    optimizer.step()
    after = table[0].detach().clone()
    optimizer.gather(torch.tensor([1])).square().sum().backward()
    optimizer.step()
    assert torch.equal(table[0], after)
    assert not torch.equal(optimizer.gather(torch.tensor([0]))[0], after)


def test_memory_is_linear_in_the_table_and_nothing_else_has_its_size():
    table = torch.nn.Parameter(torch.zeros(1000, 8))
    optimizer = RowAdam(table)
    optimizer.gather(torch.arange(4)).sum().backward()
    optimizer.step()
    big = [name for name, value in optimizer.state[table].items() if value.numel() >= 1000 * 8]
    assert sorted(big) == ["exp_avg", "exp_avg_sq"]


def test_misuse_is_named():
    table = torch.nn.Parameter(torch.zeros(5, 2))
    optimizer = RowAdam(table)
    with pytest.raises(RuntimeError, match="gather"):
        optimizer.step()
    with pytest.raises(ValueError, match="twice"):
        optimizer.gather(torch.tensor([1, 1]))
    optimizer.gather(torch.tensor([1]))
    with pytest.raises(RuntimeError, match="step"):
        optimizer.gather(torch.tensor([2]))
    optimizer.zero_grad()
    optimizer.gather(torch.tensor([2]))
    for wrong in ({"lr": 0.0}, {"betas": (0.99, 0.9)}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            RowAdam(table, **wrong)


def test_cost_does_not_grow_with_the_table():
    """A thousand times the rows, less than three times the work: a guard against O(N), not a benchmark."""

    def seconds(rows):
        optimizer = RowAdam(torch.nn.Parameter(torch.zeros(rows, 16)))
        began = time.process_time()
        for step in range(60):
            rows_of_batch = optimizer.gather(torch.arange(step, step + 32))
            rows_of_batch.sum().backward()
            optimizer.step()
        return time.process_time() - began

    seconds(1000)
    assert min(seconds(1_000_000) for _ in range(3)) < 3 * max(seconds(1000) for _ in range(3))
