"""The command line: `coursework report | run | sweep | derive | submit | doctor`."""

import argparse
import errno
import logging
import shlex
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from coursework import __version__
from coursework.arguments import parse_value, run_config, sweep_options
from coursework.errors import ConfigError, CourseworkError, SetupError
from coursework.experiments.registry import EXPERIMENTS, PROFILES, check_name
from coursework.interruption import Interrupted, at_once


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; mistakes of the user end in a sentence, not in a traceback."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    logging.basicConfig(level=logging.INFO, format="coursework: %(message)s", stream=sys.stderr)
    commands: dict[str, Callable[[list[str]], int]] = {
        "report": _report,
        "run": _run,
        "sweep": _sweep,
        "derive": _derive,
        "submit": _submit,
        "doctor": _doctor,
    }
    if arguments[:1] == ["--version"]:
        print(__version__)
        return 0
    if not arguments or arguments[0] in ("-h", "--help"):
        print(_HELP)
        return 0 if arguments else 2
    try:
        check_name("command", arguments[0], commands)
        with at_once():
            return commands[arguments[0]](arguments[1:])
    except CourseworkError as error:
        return _end(str(error), error.exit_code)
    except KeyboardInterrupt as error:
        code = error.exit_code if isinstance(error, Interrupted) else 130
        again = f"Resume with: coursework {shlex.join(arguments)}"
        return _end(f"{str(error) or 'stopped by SIGINT.'} {again}", code)
    except OSError as error:
        if error.errno not in _FULL_DISK:
            raise
        return _end(
            f"cannot write {error.filename or 'a file'}: {error.strerror}. Free some space.", SetupError.exit_code
        )
    except (MemoryError, RuntimeError) as error:
        if "torchvision" in str(error):  # "operator torchvision::nms does not exist"
            return _end(
                f"torchvision does not fit torch ({error}). `coursework doctor` says what to do.", SetupError.exit_code
            )
        if not _is_out_of_memory(error):
            raise
        return _end(
            "out of memory. Choose a smaller profile or batch, fewer pages side by side (--jobs 1), or close other "
            "programs; training goes on from its last checkpoint.",
            OUT_OF_MEMORY,
        )


OUT_OF_MEMORY = 8
"""Exit code."""

_FULL_DISK = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS}


def _end(sentence: str, code: int) -> int:
    print(f"coursework: {sentence}", file=sys.stderr)
    return code


def _is_out_of_memory(error: BaseException) -> bool:
    """Whether Python, torch on the CPU or torch on a GPU was refused memory."""
    return (
        isinstance(error, MemoryError)
        or type(error).__name__ == "OutOfMemoryError"
        or any(sentence in str(error) for sentence in _NO_MEMORY)
    )


_NO_MEMORY = (
    "can't allocate memory",
    "not enough memory",
    "std::bad_alloc",
    "could not create a primitive",
)
"""How torch's allocator says so, on Windows too, C++, and oneDNN, which does its convolutions."""


_HELP = f"""usage: coursework COMMAND [options]

  report    execute the notebooks and build HTML and PDFs      coursework report --help
  run       train and evaluate one experiment                  coursework run {{{",".join(EXPERIMENTS)}}} --help
  sweep     run a grid of configs side by side                 coursework sweep ad --latent-dim 64 128 --seed 0 1 2
  derive    check derivations                                  coursework derive --help
  submit    the hand-in as a zip file, checked                 coursework submit --ids ID1 ID2
  doctor    explain what is wrong with this environment

exit codes: 0 done · 1 a derivation does not hold · 2 bad parameter · 3 busy · 4 loss not finite ·
5 run or checkpoint not readable or not writable · 6 build or checks · 7 environment · 8 out of memory ·
9 data missing or damaged · 10 device absent · 130 stopped by SIGINT · 143 stopped by SIGTERM"""


def _report(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="coursework report", description="Execute the notebooks and build the report."
    )
    parser.add_argument("--profile", default=None, help=f"{' | '.join(PROFILES)}; default cpu, with --record full")
    parser.add_argument("--record", action="store_true", help="refresh the executed notebooks of record in book/")
    parser.add_argument("--status", action="store_true", help="say which pages are stale and why; execute nothing")
    parser.add_argument("--check", action="store_true", help="check the pages of a finished build; execute nothing")
    parser.add_argument(
        "--page", action="append", metavar="PAGE", help="only this page, such as wet/auto_decoder; repeatable"
    )
    parser.add_argument(
        "-p",
        action="append",
        nargs=2,
        metavar=("NAME", "VALUE"),
        default=[],
        help="a parameter of the pages that have it",
    )
    parser.add_argument(
        "--jobs", type=int, default=None, help="pages executed side by side; default the number of cores"
    )
    parser.add_argument("--no-pdf", action="store_true", help="HTML only")
    options = parser.parse_args(arguments)
    from coursework.report import build

    profile = options.profile or ("full" if options.record else "cpu")
    check_name("profile", profile, PROFILES)
    parameters: dict[str, Any] = {name: parse_value(name, text) for name, text in options.p}
    if len(parameters) < len(options.p):
        raise ConfigError("-p: a parameter is given twice; give each once.")
    if options.status:
        return build.print_status(profile)
    if options.check:
        return build.print_checks(profile)
    return build.report(
        profile,
        record=options.record,
        parameters=parameters,
        pages=options.page,
        jobs=options.jobs,
        pdf=not options.no_pdf,
    )


def _run(arguments: list[str]) -> int:
    config = run_config(arguments)
    from coursework.runs import run

    finished = run(config)
    print(finished.path)
    for name, value in sorted(finished.metrics.items()):
        print(f"  {name:<24} {value:.6g}")
    return 0


def _sweep(arguments: list[str]) -> int:
    options = sweep_options(arguments)
    from coursework.sweep import grid, outcome_table, sweep, write_table

    configs = grid(options.experiment, options.profile, options.axes)
    outcomes = sweep(configs, scheduler=options.scheduler, workers=options.workers)
    table = outcome_table(outcomes, [name for name, values in options.axes.items() if len(values) > 1])
    path = write_table(table, configs, options.table)
    print(table.to_string(index=False))
    print(path)
    for outcome in outcomes:
        if outcome.error:
            print(f"coursework: {outcome.error}", file=sys.stderr)
    return next((outcome.exit_code for outcome in outcomes if outcome.error), 0)


def _derive(arguments: list[str]) -> int:
    from coursework.derivations import DERIVATIONS

    parser = argparse.ArgumentParser(prog="coursework derive", description="Check derivations, step by step.")
    parser.add_argument("keys", nargs="*", metavar="KEY", help=f"default all: {', '.join(DERIVATIONS)}")
    options = parser.parse_args(arguments)
    for key in options.keys:
        check_name("derivation", key, DERIVATIONS)
    failed = 0
    for key in options.keys or DERIVATIONS:
        report = DERIVATIONS[key].check()
        print(report)
        failed += not report.passed
    return 1 if failed else 0


def _submit(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="coursework submit",
        description="Write ID1-ID2.zip: the two programs, what they need, wet.pdf and dry.pdf, after they were checked "
        "in an empty folder.",
    )
    parser.add_argument("--ids", nargs="*", default=[], metavar="ID", help="of both authors")
    parser.add_argument("--out", type=Path, default=None, metavar="DIR", help="default the working folder")
    parser.add_argument("--profile", default="cpu", help=f"whose PDFs: {' | '.join(PROFILES)}; default cpu")
    parser.add_argument("--data", type=Path, default=None, metavar="DIR", help="the course's CSV files; default made")
    parser.add_argument("--force", action="store_true", help="replace a zip file that exists")
    options = parser.parse_args(arguments)
    from coursework.report.submission import submit

    print(submit(options.ids, out=options.out, profile=options.profile, data=options.data, force=options.force))
    return 0


def _doctor(arguments: list[str]) -> int:
    argparse.ArgumentParser(prog="coursework doctor", description="Explain this environment.").parse_args(arguments)
    from coursework.report import doctor

    return doctor.print_findings()


if __name__ == "__main__":
    sys.exit(main())
