"""`chat`: a conversation; earlier turns stay in the KV cache and only new tokens are computed."""

import argparse
import dataclasses
import io
import os
import sys
import time
from collections.abc import Iterator

from harness.cli.answer import Live, stats_lines
from harness.cli.default_model import EXAMPLES, TRAINED
from harness.cli.options import (
    add_build,
    add_model,
    add_prompt,
    add_sampling,
    add_target,
    add_template,
    build_options,
    finite,
    sampling,
    target_options,
)
from harness.cli.pipeline import built_from
from harness.cli.progress import note
from harness.cli.prompt import as_turn, read_prompt, uses_template
from harness.cli.smp import check_smp
from harness.cli.target import running
from harness.errors import LinkError
from harness.link.generation import Stats
from harness.link.messages import SamplingParams
from harness.link.prompt import Prompt, Segment
from harness.link.session import Session
from harness.link.stream import TargetLost

N_PREDICT = 512  # a reply ends by itself; a model that does not know how must not go on for ever
HELP = """\
/reset      forget the conversation
/temp T     temperature (0 = greedy)
/seed N     seed of the next answers
/stats      timings of the last answer
/quit       leave (also Ctrl-D); Ctrl-C stops an answer"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Model, first words, sampling."""
    add_model(parser, image_dir=True)
    add_prompt(parser)
    add_template(parser)
    add_sampling(parser, n_predict=N_PREDICT)
    add_build(parser)
    add_target(parser)


def run(args: argparse.Namespace) -> int:
    """Boot and talk until the user leaves; a prompt of the command line is the first turn."""
    check_smp(args.smp, icount=args.icount)
    given = (args.prompt, args.file, args.prompt_ids) != (None, None, None)
    first = read_prompt(args) if given else None
    params = sampling(args)
    built = built_from(build_options(args), makes="text")
    in_turns = uses_template(args, has_template=built.chat)
    options = target_options(args)
    with running(built, options) as session:
        note(f"{session.welcome.description}; context {session.welcome.n_ctx} tokens; /help")
        raw = "" if in_turns else "; text goes to the model as it is: no chat template"
        note(f"[seed: {params.seed}{raw}]")
        if args.model is None and TRAINED.is_file():
            note("Say something, for example:\n" + "\n".join(f"  {line}" for line in EXAMPLES))
        system = None if not in_turns else _system(session) if args.system is None else args.system
        conversation = Conversation(
            session, params, options.clock, system, comes_back=options.serial is not None
        )
        if first is not None:
            conversation.say(first)
        for line in _lines():
            if not conversation.take(line):
                break
    return 0


def _system(session: Session) -> str:
    """What the kernel knows of its machine, and what only the host knows: the time of day."""
    system = session.welcome.system
    return f"{system}; clock={time.strftime('%H:%M')}" if system else ""


class Conversation:
    """Turns and slash commands. `system` begins it; "": nothing does; None: no chat template.

    comes_back: a target that is lost is waited for, and the conversation begins afresh.
    """

    def __init__(
        self,
        session: Session,
        params: SamplingParams,
        clock: str,
        system: str | None = None,
        *,
        comes_back: bool = False,
    ) -> None:
        self._session = session
        self._clock = clock
        self._system = system
        self._params = params
        self._comes_back = comes_back
        self._started = False
        self._stats: Stats | None = None

    def take(self, line: str) -> bool:
        """One line of the user; False: the user leaves."""
        word, _, rest = line.strip().partition(" ")
        if word in ("/quit", "/exit"):
            return False
        if word.startswith("/"):
            self._command(word, rest.strip())
        elif line.strip():
            self.say(Prompt.of_text(os.fsencode(line)))
        return True

    def _command(self, word: str, value: str) -> None:
        try:
            if word == "/reset":
                self._started = False
                note("[forgotten]")
            elif word == "/temp":
                self._params = dataclasses.replace(self._params, temp=finite(value))
            elif word == "/seed":
                seed = int(value)
                self._params = dataclasses.replace(self._params, seed=seed % (1 << 64))
            elif word == "/stats":
                stats = self._stats
                note(stats_lines(stats, self._clock) if stats else "[nothing generated yet]")
            elif word == "/help":
                note(HELP)
            else:
                note(f"{word}: no such command\n{HELP}")
        except (ValueError, argparse.ArgumentTypeError):
            note(f"{word} {value!r}: not a number")

    def say(self, prompt: Prompt) -> None:
        """One turn. The user's words are words: `</s>` among them is four characters, no token."""
        live = Live(text=True)
        try:
            answer = self._session.generate(
                self._turn(prompt),
                self._params,
                append=self._started,
                on_token=live.on_token,
                on_prefill=live.on_prefill,
            )
        except LinkError as error:  # a refused turn (too long) leaves the conversation as it was
            note(f"error: {error}\n  hint: {error.hint or '/reset'}")
            return
        except TargetLost as lost:
            if not self._comes_back:
                raise
            self._wait_for_target(lost)
            return
        print(flush=True)
        if answer.stats is not None:  # None: given up before the kernel had the turn
            self._started = True
            self._stats = answer.stats
        if answer.stop in ("abort", "context"):
            full = "the context is full: /reset starts afresh"
            note(f"[{full if answer.stop == 'context' else 'stopped'}]")

    def _wait_for_target(self, lost: TargetLost) -> None:
        print(flush=True)
        note(f"error: {lost}\n  hint: {lost.hint}\n[waiting for the board; Ctrl-C leaves]")
        self._started = False
        welcome = self._session.reconnect()
        note(f"[{welcome.description}: the board is back; the conversation begins afresh]")

    def _turn(self, prompt: Prompt) -> Prompt:
        if self._system is None or prompt.ids is not None:
            first = not self._started
            parts = tuple(Segment(s.text, add_special=first) for s in prompt.segments)
            return dataclasses.replace(prompt, segments=parts)
        if not self._started:
            return as_turn(prompt, self._system)
        return Prompt.of_turns(("user", prompt.segments[0].text), first=False)


def _lines() -> Iterator[str]:
    """Lines of stdin; with a prompt mark and line editing when it is a terminal."""
    if not sys.stdin.isatty():
        if isinstance(sys.stdin, io.TextIOWrapper):  # bytes that are no text reach the kernel as is
            sys.stdin.reconfigure(errors="surrogateescape")
        for line in sys.stdin:
            yield line.rstrip("\n")
        return
    import readline  # noqa: F401 (importing it gives input() history and editing)

    while True:
        try:
            yield input("> ")
        except EOFError:
            print()
            return
        except KeyboardInterrupt:  # Ctrl-C at the prompt clears the line; Ctrl-D or /quit leaves
            print()
