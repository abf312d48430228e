"""A generation as text for a person (live, with statistics) and as one JSON object."""

import sys
from typing import Any

from harness.cli.options import TargetOptions
from harness.cli.progress import Bar, harmless
from harness.link.generation import Generation, Stats, Token
from harness.link.messages import Prefill, Welcome


class Live:
    """Prints tokens as they come; a bar while the prompt is read.

    A terminal gets no control characters; a file or a pipe gets the text as it is.
    """

    def __init__(self, *, text: bool) -> None:
        self._text = text
        self._bar: Bar | None = None

    def on_prefill(self, prefill: Prefill) -> None:
        """Progress of the prompt."""
        if self._bar is None:
            self._bar = Bar("reading prompt", prefill.total, "tokens")
        self._bar.set(prefill.done)

    def on_token(self, token: Token) -> None:
        """The text of one token, at once."""
        if self._bar is not None:
            self._bar.clear()
            self._bar = None
        if self._text:
            sys.stdout.write(harmless(token.text, sys.stdout))
            sys.stdout.flush()


def stats_lines(stats: Stats, clock: str) -> str:
    """llama.cpp's timings, and whose clock they are."""
    n_new = stats.n_prompt - stats.n_reused
    reused = f", {stats.n_reused} reused" if stats.n_reused else ""
    return "\n".join(
        (
            _stats_line("prompt eval time", stats.prefill_s, n_new, "tokens") + reused,
            _stats_line("eval time", stats.decode_s, max(stats.n_generated - 1, 0), "runs"),
            *_guess_lines(stats),
            f"{'context':>16} = {stats.n_past} tokens",
            f"{'clock':>16} = {clock}",
        )
    )


def _guess_lines(stats: Stats) -> list[str]:
    if not stats.n_drafted:
        return []
    return [f"{'guessed':>16} = {stats.n_drafted} tokens, {stats.n_accepted} saved a pass"]


def _stats_line(label: str, seconds: float, count: int, unit: str) -> str:
    each = f"{seconds * 1e3 / count:9.2f} ms per token" if count else f"{'-':>9} ms per token"
    rate = f"{count / seconds:9.2f} tokens per second" if count and seconds else "-"
    return f"{label:>16} = {seconds * 1e3:10.2f} ms / {count:5} {unit:6} ({each}, {rate})"


def timing(stats: Stats | None, welcome: Welcome, options: TargetOptions) -> dict[str, Any]:
    """Seconds and counts for JSON; instructions when the target's clock counts them."""
    per_s = welcome.ticks_per_s or 1
    facts: dict[str, Any] = {"clock": options.clock, "boot_s": welcome.boot_ticks / per_s}
    if stats is not None:
        runs = max(stats.n_generated - 1, 0)
        facts |= {
            "receive_s": stats.receive_s,
            "prompt_s": stats.prefill_s,
            "decode_s": stats.decode_s,
            "prompt_tokens": stats.n_prompt,
            "reused_tokens": stats.n_reused,
            "generated_tokens": stats.n_generated,
            "context_tokens": stats.n_past,
            "drafted_tokens": stats.n_drafted,
            "accepted_tokens": stats.n_accepted,
            "prompt_tokens_per_s": _rate(stats.n_prompt - stats.n_reused, stats.prefill_s),
            "decode_tokens_per_s": _rate(runs, stats.decode_s),
        }
    if options.icount:
        facts["instructions"] = instructions(stats, welcome)
    return facts


def instructions(stats: Stats | None, welcome: Welcome) -> dict[str, int]:
    """Guest instructions per phase: with -icount shift=0 one instruction is one nanosecond."""
    ns_per_tick = 1e9 / (welcome.ticks_per_s or 1)
    counts = {"boot": round(welcome.boot_ticks * ns_per_tick)}
    if stats is not None:
        counts |= {
            "receive": round(stats.ticks_receive * ns_per_tick),
            "prompt": round(stats.ticks_prefill * ns_per_tick),
            "decode": round(stats.ticks_decode * ns_per_tick),
        }
        counts["decode_per_token"] = counts["decode"] // max(stats.n_generated - 1, 1)
    return counts


def _rate(count: int, seconds: float) -> float | None:
    return count / seconds if seconds else None


def as_json(
    answer: Generation, welcome: Welcome, seed: int, options: TargetOptions
) -> dict[str, Any]:
    """The object of `run --json`."""
    return {
        "prompt_ids": list(answer.prompt_ids),
        "ids": list(answer.ids),
        "text": answer.text,
        "stop": answer.stop,
        "seed": seed,
        "target": welcome.description,
        "timing": timing(answer.stats, welcome, options),
    }
