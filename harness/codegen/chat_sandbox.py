"""Render a model's chat template apart from everything else: a program with limits of its own.

stdin: {"template": str, "names": {...}, "conversations": [[message, ...], ...]}; stdout: one
{"text": str} or {"error": str} per conversation. jinja2's sandbox keeps a template away from the
interpreter, but not from endless loops and endless texts; the limits of this process do that. It is
started by path with `python -I`, so that nothing but jinja2 is imported.
"""

import json
import resource
import sys
from pathlib import Path
from typing import Any, NoReturn

import jinja2
from jinja2.ext import Extension
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment

CPU_S = 5
MEMORY_BYTES = 1 << 27  # beyond what the interpreter has mapped; the usual templates take 10 MB
TEXT_MAX = 1 << 16
DATE = (2026, 1, 1)  # of templates that print one: an image must not depend on the day


class Generation(Extension):
    """{% generation %} tells trainers which words are replies: what is in it is written."""

    tags = {"generation"}  # noqa: RUF012 (jinja2's own)

    def parse(self, parser: Parser) -> list[jinja2.nodes.Node]:
        """The statements up to {% endgeneration %}."""
        next(parser.stream)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)


def _raise_exception(message: str) -> NoReturn:
    raise jinja2.TemplateError(message)


def _strftime_now(form: str) -> str:
    import datetime

    return datetime.date(*DATE).strftime(form)


def _render(template: jinja2.Template, messages: list[Any], names: dict[str, str]) -> str:
    text = template.render(messages=messages, add_generation_prompt=True, **names)
    text.encode()  # half of a surrogate pair is no text
    if len(text) > TEXT_MAX:
        raise jinja2.TemplateError(f"it renders {len(text)} characters, wanted {TEXT_MAX} at most")
    return text


def answers_to(request: dict[str, Any]) -> list[dict[str, str]]:
    """A text or an error for each conversation; without limits of time and memory."""
    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols", Generation]
    )
    environment.filters["tojson"] = json.dumps
    environment.globals["raise_exception"] = _raise_exception
    environment.globals["strftime_now"] = _strftime_now
    answers = []
    template = None
    for messages in request["conversations"]:
        try:
            template = template or environment.from_string(request["template"])
            answers.append({"text": _render(template, messages, request["names"])})
        except Exception as exc:  # a template can raise anything that Python can
            what = f"{type(exc).__name__}: {exc}"[:200]
            # The template's words go to a terminal.
            answers.append({"error": "".join(c if c.isprintable() else "?" for c in what)})
    return answers


def mapped_bytes() -> int:
    """This process's address space; its table of locales alone may have 200 MB. 0: unknown."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[0])
    except OSError:
        return 0
    return pages * resource.getpagesize()


def main() -> None:
    """Answer one request."""
    request = json.load(sys.stdin)
    limit = mapped_bytes() + MEMORY_BYTES
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_S, CPU_S))
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    json.dump(answers_to(request), sys.stdout)


if __name__ == "__main__":
    main()
