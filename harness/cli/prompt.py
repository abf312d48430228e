"""-p, -f, --prompt-ids, --system -> Prompt."""

import argparse
import os
import sys

from harness.errors import HarnessError
from harness.link.prompt import Prompt


def read_prompt(args: argparse.Namespace, default: str | None = None) -> Prompt:
    """The prompt the user gave. Bytes go through as they are; the last newline of a file does not.

    HarnessError when there is none and `default` is None.
    """
    if args.prompt_ids is not None:
        return Prompt.of_ids(args.prompt_ids)
    if args.file is not None:
        try:
            return Prompt.of_text(_without_newline(args.file.read_bytes()))
        except OSError as exc:
            raise HarnessError(
                f"cannot read the prompt: {args.file}: {exc.strerror or exc}",
                hint="-f is a file with the prompt",
            ) from exc
    if args.prompt == "-":
        return Prompt.of_text(_without_newline(sys.stdin.buffer.read()))
    if args.prompt is not None:
        return Prompt.of_text(os.fsencode(args.prompt))
    if default is not None:
        return Prompt.of_text(default)
    raise HarnessError("no prompt", hint='-p "Once upon a time", -p - for stdin, or -f FILE')


def uses_template(args: argparse.Namespace, *, has_template: bool) -> bool:
    """Whether text is a user's turn; HarnessError for a system turn that nothing could carry."""
    if args.system and (args.raw or not has_template):
        why = "--raw sends text as it is" if args.raw else "this image has no chat template"
        raise HarnessError(f"--system cannot be used: {why}", hint="put it into the prompt's text")
    return has_template and not args.raw


def as_turn(prompt: Prompt, system: str) -> Prompt:
    """A prompt's text as the user's first turn, after the system's if there is one; ids as ids."""
    if prompt.ids is not None:
        return prompt
    user = ("user", prompt.segments[0].text)
    return (
        Prompt.of_turns(("system", os.fsencode(system)), user) if system else Prompt.of_turns(user)
    )


def _without_newline(data: bytes) -> bytes:
    return data[:-1] if data.endswith(b"\n") else data
