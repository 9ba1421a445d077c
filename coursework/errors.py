"""Errors that are the user's to mend: a sentence, a remedy and an exit code, never a traceback at the command line."""


class CourseworkError(Exception):
    """What went wrong, which value caused it and what to do about it, in sentences.

    The command line prints the message alone and leaves with `exit_code`.
    """

    exit_code = 1


class ConfigError(CourseworkError):
    """A parameter is unknown, of the wrong type or out of range. Raised before any work starts."""

    exit_code = 2


class BusyError(CourseworkError):
    """Another process holds the run, the cache or the build that was asked for."""

    exit_code = 3


class DataError(CourseworkError):
    """Data are missing, damaged or not what their name says. Raised before any work starts."""

    exit_code = 9


class NonFiniteError(CourseworkError):
    """A loss, gradient or parameter stopped being a finite number."""

    exit_code = 4


class CheckpointError(CourseworkError):
    """No stored state can be trusted: damaged, foreign or of another configuration."""

    exit_code = 5


class DeviceError(CourseworkError):
    """The device that was asked for is not there. Raised before any work starts."""

    exit_code = 10


class BuildError(CourseworkError):
    """A notebook, page or PDF could not be made, or did not pass its checks."""

    exit_code = 6


class SetupError(CourseworkError):
    """The installation is broken or incomplete."""

    exit_code = 7
