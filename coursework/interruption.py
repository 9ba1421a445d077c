"""SIGINT and SIGTERM as exceptions: at once, or put off to a moment at which nothing is lost."""

import contextlib
import logging
import signal
import threading
import time
from collections.abc import Callable, Iterator
from types import FrameType

GRACE = 8.0
"""Seconds that a put-off signal may wait."""

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_log = logging.getLogger(__name__)


class Interrupted(KeyboardInterrupt):
    """A signal asked this process to end.

    Attributes:
        exit_code: 128 and the signal's number, as shells count: 130 for SIGINT, 143 for SIGTERM.
    """

    def __init__(self, number: int, message: str = "") -> None:
        super().__init__(message or f"stopped by {signal.Signals(number).name}.")
        self.exit_code = 128 + number


class Pending:
    """A signal that waits, or none yet: `number` is None until it arrives."""

    def __init__(self) -> None:
        self.number: int | None = None
        self._since = 0.0
        self._said = False

    def note(self, number: int, _frame: object) -> None:
        """Handle a signal: the first one waits.

        Raises:
            Interrupted: it is the second.
        """
        if self.number is not None:
            raise Interrupted(number)
        self._since, self.number = time.monotonic(), number

    @property
    def overdue(self) -> bool:
        """Whether a signal has waited for longer than `GRACE`; the first look at it says that it waits."""
        if self.number is None:
            return False
        if not self._said:
            self._said = True
            name = signal.Signals(self.number).name
            _log.info("%s: ending at the next checkpoint; the signal again ends it at once", name)
        return time.monotonic() - self._since > GRACE

    def interruption(self, message: str) -> Interrupted:
        """The exception of the signal that waits."""
        assert self.number is not None
        return Interrupted(self.number, f"{message} Stopped by {signal.Signals(self.number).name}.")


@contextlib.contextmanager
def at_once() -> Iterator[None]:
    """SIGTERM raises `Interrupted` inside, so that whatever is under way is put away; SIGINT does so by itself."""
    with _handled((signal.SIGTERM,), _raise):
        yield


@contextlib.contextmanager
def put_off() -> Iterator[Pending]:
    """The first SIGINT or SIGTERM inside is only noted, a second one raises `Interrupted` at once.

    In a thread other than the main one, where Python takes no signals, nothing changes.

    Raises:
        Interrupted: at the end, a signal was noted that nobody acted upon.
    """
    pending = Pending()
    with _handled(_SIGNALS, pending.note):
        yield pending
    if pending.number is not None:
        raise Interrupted(pending.number)


def _raise(number: int, _frame: object) -> None:
    raise Interrupted(number)


@contextlib.contextmanager
def _handled(numbers: tuple[signal.Signals, ...], handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    before = {}
    if threading.current_thread() is threading.main_thread():
        for number in numbers:
            if signal.getsignal(number) not in (signal.SIG_IGN, None):  # ignored: for a job in the background
                before[number] = signal.signal(number, handler)
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, old)
