"""Half precision and compiled losses: what they change, and what they must not."""

import os
import shutil
import subprocess
import sys

import pytest
import torch

from coursework import runs
from coursework.errors import ConfigError, SetupError
from coursework.experiments import configure
from coursework.experiments.ad import build
from coursework.training.precision import in_bfloat16

SMALL = {"dataset": "digits", "num_train": 60, "num_test": 20, "latent_dim": 4, "copies": 0, "test_steps": 20}


def small(**changes):
    return configure("ad", "fast", **{**SMALL, "epochs": 10, **changes})


def task_of(config):
    with torch.random.fork_rng():
        torch.manual_seed(config.seed)
        return build(config)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSEWORK_RUNS", str(tmp_path))


def test_products_are_in_bfloat16_and_densities_in_float32():
    task = in_bfloat16(task_of(small()), torch.device("cpu"))
    seen = set()
    for module in task.modules["decoder"].modules():
        if isinstance(module, torch.nn.Linear | torch.nn.Conv2d):
            module.register_forward_hook(lambda _module, _inputs, out: seen.add(out.dtype))
    loss, terms = task.players["autodecoder"].loss(task.batches(0))
    assert seen == {torch.bfloat16}
    assert {loss.dtype, *(values.dtype for values in terms.values())} == {torch.float32}
    loss.backward()
    assert {parameter.grad.dtype for parameter in task.modules["decoder"].parameters()} == {torch.float32}


def test_a_loss_in_bfloat16_is_the_same_to_three_digits_and_not_to_seven():
    plain = task_of(small()).players["autodecoder"]
    config = small()
    task = task_of(config)
    half = in_bfloat16(task_of(config), torch.device("cpu")).players["autodecoder"]
    index = task.batches(0)
    first, second = plain.loss(index)[0].item(), half.loss(index)[0].item()
    assert second == pytest.approx(first, rel=2e-2)
    assert second != first


def test_evaluation_is_in_float32(folder):
    finished = runs.run(small(precision="bfloat16"))
    assert {tensor.dtype for tensor in finished.arrays.values()} == {torch.float32}
    plain = runs.run(small())
    assert finished.key != plain.key
    assert finished.metrics["test_mse"] == pytest.approx(plain.metrics["test_mse"], rel=0.1)
    weights = finished.modules()["decoder"].state_dict()
    assert {tensor.dtype for tensor in weights.values()} == {torch.float32}


@pytest.mark.parametrize("change", [{"precision": "bfloat16"}, {"compiled": True}])
def test_the_key_of_a_run_tells_how_it_was_computed(change):
    assert runs.run_key(small(**change)) != runs.run_key(small())


def test_an_unknown_precision_is_refused():
    with pytest.raises(ConfigError, match="precision = 'float16'"):
        small(precision="float16")


COMPILE = """
import torch
from coursework.experiments import configure
from coursework.experiments.ad import build
from coursework.training.precision import compiled

config = configure("ad", "fast", dataset="digits", num_train=16, num_test=20, latent_dim=4, copies=0, epochs=2)
results = []
for change in (lambda task: task, compiled):
    torch.manual_seed(0)
    task = change(build(config))
    loss, _ = task.players["autodecoder"].loss(task.batches(0))
    loss.backward()
    results.append((loss.detach(), [p.grad for p in task.modules["decoder"].parameters()]))
torch.testing.assert_close(results[1], results[0], rtol=1e-4, atol=1e-5)
print("compiled", len(torch._dynamo.utils.compilation_time_metrics))
"""


@pytest.mark.skipif(shutil.which(os.environ.get("CXX", "g++")) is None, reason="needs a C++ compiler")
@pytest.mark.slow
def test_a_compiled_loss_has_the_same_value_and_gradients():
    """In a process of its own: the compiler does not see through the checks of types that the tests add."""
    done = subprocess.run([sys.executable, "-c", COMPILE], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    name, count = done.stdout.split()
    assert name == "compiled"
    assert int(count) > 0


@pytest.mark.usefixtures("folder")
def test_without_a_compiler_nothing_is_compiled_and_the_remedy_named(monkeypatch, tmp_path):
    monkeypatch.setenv("CXX", str(tmp_path / "no-compiler"))
    with pytest.raises(SetupError, match=r"compiled = True: there is no C\+\+ compiler .*apt install g\+\+"):
        runs.run(small(compiled=True, device="cpu"))
