"""Row 3: SIGINT and SIGTERM end a command in good order, and twice at once."""

import itertools
import json
import signal
import time

import pytest

from coursework import cli, interruption, runs

pytestmark = pytest.mark.usefixtures("linear")

SIGNALS = [(signal.SIGINT, 130), (signal.SIGTERM, 143)]


def records(folder):
    texts = [path.read_text(encoding="utf-8") for path in folder.glob("*/metrics.jsonl")]
    return [json.loads(line) for text in texts for line in text.splitlines(keepends=True) if line.endswith("\n")]


def steps(folder):
    return sorted(int(path.name[5:]) for path in folder.glob("*/checkpoints/step-*"))


@pytest.mark.parametrize(("number", "code"), SIGNALS)
def test_a_checkpoint_is_saved_and_the_next_run_ends_in_the_same_bytes(
    number, code, runs_folder, fork, small, elsewhere
):
    child = fork(lambda: small.slowly(0.005) or cli.main(small.command(epochs=1_000)))
    small.until(lambda: records(runs_folder))
    assert steps(runs_folder) == []  # 30 seconds have not passed
    sent = time.monotonic()
    child.signal(number)
    assert child.wait(10) == code
    assert time.monotonic() - sent < 10
    (step,) = steps(runs_folder)
    assert step == records(runs_folder)[-1]["step"] < 2_000
    assert "its checkpoint is saved" in child.text
    assert "Resume with: coursework run ad --profile fast" in child.text
    assert "Traceback" not in child.text
    again = fork(lambda: cli.main(small.command(epochs=1_000)))
    assert again.wait() == 0
    assert f"at step {step} of 2000" in again.text
    (path,) = runs_folder.iterdir()
    assert small.contents(path) == elsewhere(small.tiny(epochs=1_000))


@pytest.mark.parametrize("second", [signal.SIGINT, signal.SIGTERM])
def test_a_second_signal_ends_it_at_once(second, runs_folder, fork, small):
    def work():
        small.slowly(0.5, after=60)
        return cli.main(small.command(epochs=1_000))

    child = fork(work)
    small.until(lambda: records(runs_folder))
    time.sleep(0.3)
    child.signal(signal.SIGINT)
    small.until(lambda: "again ends it at once" in child.text)
    sent = time.monotonic()
    child.signal(second)
    assert child.wait(10) == 128 + second
    assert time.monotonic() - sent < 2
    assert steps(runs_folder) == []


def test_steps_too_slow_to_wait_for_are_not_waited_for(runs_folder, fork, small):
    assert interruption.GRACE < 10

    def work():
        interruption.GRACE = 1.0
        small.slowly(0.5, after=60)
        return cli.main(small.command(epochs=1_000))

    child = fork(work)
    small.until(lambda: records(runs_folder))
    time.sleep(0.3)
    child.signal(signal.SIGTERM)
    sent = time.monotonic()
    assert child.wait(10) == 143
    assert 0.5 < time.monotonic() - sent < 4
    assert "its last checkpoint is of step 0" in child.text


def test_after_the_training_a_signal_loses_nothing(runs_folder, fork, small, elsewhere):
    def work():
        small.slowly(0, evaluate=lambda: time.sleep(600))
        return cli.main(small.command())

    child = fork(work)
    small.until(lambda: steps(runs_folder) == [200])
    time.sleep(0.3)
    child.signal(signal.SIGTERM)
    assert child.wait(5) == 143
    assert "Resume with: coursework run ad" in child.text
    again = fork(lambda: cli.main(small.command()))
    assert again.wait() == 0
    assert "at step 200 of 200" in again.text
    (path,) = runs_folder.iterdir()
    assert small.contents(path) == elsewhere(small.tiny())


def test_a_signal_on_the_last_step_is_not_lost(fork):
    def work():
        with interruption.put_off():
            signal.raise_signal(signal.SIGTERM)
        return 0  # reached only if the signal was forgotten

    child = fork(work)
    assert child.wait() == 99
    assert "Interrupted: stopped by SIGTERM" in child.text


def test_handlers_are_put_back_and_ignored_signals_stay_ignored():
    before = signal.getsignal(signal.SIGTERM)
    old = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with interruption.put_off() as pending:
            signal.raise_signal(signal.SIGINT)
            assert signal.getsignal(signal.SIGTERM) not in (before, signal.SIG_DFL)
        assert pending.number is None
    finally:
        signal.signal(signal.SIGINT, old)
    assert signal.getsignal(signal.SIGTERM) is before


@pytest.mark.parametrize(("number", "code"), SIGNALS)
def test_every_command_ends_with_the_signals_code_and_puts_its_things_away(number, code, fork, tmp_path, monkeypatch):
    from coursework.report import build

    def work(*_arguments, **_options):
        (tmp_path / "there").touch()
        try:
            for _ in itertools.count():
                time.sleep(0.01)
        finally:
            (tmp_path / "there").unlink()

    monkeypatch.setattr(build, "report", work)
    child = fork(lambda: cli.main(["report", "--profile", "fast"]))
    small_wait = time.monotonic() + 30
    while not (tmp_path / "there").exists():
        assert time.monotonic() < small_wait
        time.sleep(0.01)
    child.signal(number)
    assert child.wait(10) == code
    assert not (tmp_path / "there").exists()
    assert "Resume with: coursework report --profile fast" in child.text


def test_a_run_in_a_thread_takes_no_signals_and_works(runs_folder, small):
    import concurrent.futures

    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        assert pool.submit(runs.run, small.tiny(epochs=2)).result().metrics
