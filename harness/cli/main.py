"""Finds the verb, runs it, and turns whatever goes wrong into one sentence and an exit code."""

import argparse
import importlib
import os
import signal
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from harness.cli.progress import note
from harness.cli.report import stop_writing
from harness.errors import EXIT_BUG, EXIT_INTERRUPTED, HarnessError

# In the order in which one meets them. Each is a module here with add_arguments() and run(); only
# the chosen one is imported, so that `doctor` runs where the packages of others are missing.
VERBS = {
    "build": "GGUF in, bootable image out",
    "run": "boot the image and answer one prompt",
    "chat": "boot the image and talk to it",
    "embed": "boot the image and make vectors of texts",
    "verify": "compare the kernel's answers with the NumPy reference",
    "evaluate": "ask a trained model fifty prompts it has never seen, on the kernel",
    "inspect": "the model's facts and the memory plan, without building",
    "symbols": "the operations in the image: size, NEON instructions, reachability",
    "bench": "executed instructions per token, by phase; a baseline, and a check against it",
    "flash": "the image onto an SD card: its files, or the whole card",
    "doctor": "what this machine has and what it lacks",
    "synth": "make a random-weight GGUF of a real model's shape",
    "train": "train a language model of our own and write it as GGUF",
}


class Parser(argparse.ArgumentParser):
    """argparse with this project's error format."""

    def error(self, message: str) -> NoReturn:
        """Exit 2 with what was wrong and where to read on."""
        print(f"error: {message}\n  hint: {self.prog} --help", file=sys.stderr)
        raise SystemExit(2)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one verb; the exit code: 0 pass, 1 verdict FAIL, 2 the user can fix it, 3 the target.

    130: interrupted. 70: a fault of ours.
    """
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # closed by the caller (`>&-`)
            nowhere = Path(os.devnull).open("w")  # noqa: SIM115 it lasts as long as the program
            setattr(sys, name, nowhere)
    try:
        code = _dispatch(list(sys.argv[1:] if argv is None else argv))
        try:
            sys.stdout.flush()
        except BrokenPipeError:  # whoever has read enough still learns how it ended
            stop_writing()
        return code
    except SystemExit as exc:  # argparse: --help and wrong arguments
        return exc.code if isinstance(exc.code, int) else 2
    except HarnessError as error:
        print_error(error)
        return error.exit_code
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return EXIT_INTERRUPTED
    except BrokenPipeError:  # `... | head`: the reader has seen enough
        stop_writing()
        return 0
    except OSError as exc:  # a full disk, a directory that may not be written
        what = f"{exc.filename}: {exc.strerror}" if exc.filename else str(exc)
        print(f"error: {what}", file=sys.stderr)
        return 2
    except ModuleNotFoundError as exc:
        return _missing_module(exc)
    except Exception as exc:
        return _bug(exc)


def print_error(error: HarnessError) -> None:
    """What happened, then what to do about it."""
    note(f"error: {error}")  # the last lines of a board's console, maybe
    if error.hint:
        note(f"  hint: {error.hint}")


def _dispatch(argv: list[str]) -> int:
    parser = Parser(
        prog="python -m harness",
        description="GGUF in, bootable bare-metal ARM64 image out, and a proof of what it says.",
    )
    chosen = next((word for word in argv if not word.startswith("-")), None)
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True, parser_class=Parser)
    run: Any = None
    for verb, summary in VERBS.items():
        subparser = verbs.add_parser(verb, help=summary, description=summary)
        if verb == chosen:
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # see __main__.py
            module = importlib.import_module(f"harness.cli.{verb}")
            module.add_arguments(subparser)
            run = module.run
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    args = parser.parse_args(argv)
    return int(run(args))


def _missing_module(exc: ModuleNotFoundError) -> int:
    if (exc.name or "").split(".")[0] in ("harness", "toolchain"):
        return _bug(exc)
    print(
        f"error: the Python package {exc.name} is not installed\n"
        "  hint: `make run` and `make test` set everything up; or: pip install -e .",
        file=sys.stderr,
    )
    return 2


def _bug(exc: Exception) -> int:
    print(f"error: {type(exc).__name__}: {exc}", file=sys.stderr)
    if os.environ.get("BAREWORD_DEBUG") == "1":
        traceback.print_exception(exc)
    else:
        print(
            "  hint: this is a bug in bareword; BAREWORD_DEBUG=1 shows where it happened",
            file=sys.stderr,
        )
    return EXIT_BUG
