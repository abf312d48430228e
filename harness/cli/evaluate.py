"""`evaluate`: prompts that no training text holds, asked on the booted kernel, greedily.

Fifty that are always the same, or with --seed others by the same rules.
"""

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from harness.cli.options import add_build, add_model, add_target, build_options, target_options
from harness.cli.pipeline import built_from
from harness.cli.progress import CONTROLS, bar
from harness.cli.report import print_report
from harness.cli.smp import check_smp
from harness.cli.target import running
from harness.errors import EXIT_INTERRUPTED, HarnessError
from harness.link.messages import SamplingParams
from harness.link.prompt import Prompt
from harness.link.session import Session
from harness.train.corpus import Case, evaluation
from harness.train.fresh import fresh_cases

N_PREDICT: Final = 320  # twice a long story; whatever comes to it has not found its end
# The share of answers that must be exactly right.
LIMITS: Final = ((("command",), 0.95), (("arithmetic", "clock"), 0.90))


@dataclass(frozen=True)
class Answered:
    """A case and what the kernel said; `stop` as in `run --json`."""

    case: Case
    text: str
    stop: str

    @property
    def judged(self) -> bool:
        """Whether there is one right answer; a story is for people to read."""
        return self.case.kind != "story"

    @property
    def right(self) -> bool:
        """Word for word, and then silence."""
        return self.text.strip() == self.case.answer and self.stop == "eos"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """A model, and where it runs."""
    add_model(parser, image_dir=True)
    add_build(parser)
    add_target(parser)
    parser.add_argument(
        "--seed", type=int, metavar="N", help="other prompts: 220 that this number chooses"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")


def run(args: argparse.Namespace) -> int:
    """One boot for all; exit 1 when fewer are right than LIMITS wants."""
    check_smp(args.smp, icount=args.icount)
    built = built_from(build_options(args), makes="text")
    if not built.chat:
        raise HarnessError(
            f"{built.model_path.name} has no chat template that the kernel knows",
            hint="the questions are for models that `train` made",
        )
    with running(built, target_options(args)) as session:
        answers = ask(session, evaluation() if args.seed is None else fresh_cases(args.seed))
    if answers is None:
        return EXIT_INTERRUPTED
    print_report(json.dumps(as_dict(answers)) if args.json else report(answers))
    return 1 if failures(answers) else 0


def ask(session: Session, cases: Sequence[Case]) -> list[Answered] | None:
    """Every case in a context of its own; None: interrupted."""
    params = SamplingParams(n_predict=N_PREDICT, temp=0.0)
    answers = []
    with bar("asking", len(cases), "prompts") as shown:
        for case in cases:
            answer = session.generate(prompt_of(case), params)
            if answer.stop == "abort":
                return None
            answers.append(Answered(case, answer.text, answer.stop))
            shown.set(len(answers))
    return answers


def prompt_of(case: Case) -> Prompt:
    """The turns of a dialogue; of a story its opening, without a template, to be continued."""
    if case.kind == "story":
        return Prompt.of_text(case.turns[0].text, parse_special=False)
    return Prompt.of_turns(*((turn.role, turn.text) for turn in case.turns))


def failures(answers: Sequence[Answered]) -> list[str]:
    """Which of LIMITS do not hold."""
    result = []
    for kinds, limit in LIMITS:
        judged = [answer for answer in answers if answer.case.kind in kinds]
        n_right = sum(answer.right for answer in judged)
        if n_right < limit * len(judged):
            result.append(
                f"{' and '.join(kinds)}: {n_right} of {len(judged)} right, "
                f"wanted {limit:.0%} at least"
            )
    return result


def counts(answers: Sequence[Answered]) -> dict[str, tuple[int, int]]:
    """Of each kind that is judged: how many are right, of how many."""
    result = {}
    for kind in dict.fromkeys(answer.case.kind for answer in answers if answer.judged):
        of_kind = [answer for answer in answers if answer.case.kind == kind]
        result[kind] = (sum(answer.right for answer in of_kind), len(of_kind))
    return result


def report(answers: Sequence[Answered]) -> str:
    """A table of kinds, what was answered wrongly, and what a person has to read."""
    lines = ["kind            right  of"]
    lines += [f"{kind:<15} {n:>5} {of:>3}" for kind, (n, of) in counts(answers).items()]
    wrong = [answer for answer in answers if answer.judged and not answer.right]
    if wrong:
        lines.append("\nwrong:")
    for answer in wrong:
        lines += [
            f"  {answer.case.kind}: {answer.case.turns[-1].text[-100:]}",
            f"    wanted   {answer.case.answer}",
            f"    observed {_shown(answer)}{'' if answer.stop == 'eos' else ' ...'}",
        ]
    stories = [answer for answer in answers if not answer.judged]
    if stories:
        lines.append("\nto be read:")
    for answer in stories:
        lines += [f"  > {answer.case.turns[-1].text}", f"  {_shown(answer)}"]
    failed = failures(answers)
    lines += ["", *failed, f"verdict: {'FAIL' if failed else 'PASS'}"]
    return "\n".join(lines)


def _shown(answer: Answered) -> str:
    return answer.text.strip().translate(CONTROLS)


def as_dict(answers: Sequence[Answered]) -> dict[str, Any]:
    """For --json."""
    return {
        "ok": not failures(answers),
        "failures": failures(answers),
        "counts": {kind: {"right": n, "of": of} for kind, (n, of) in counts(answers).items()},
        "answers": [
            {
                "kind": answer.case.kind,
                "turns": [[turn.role, turn.text] for turn in answer.case.turns],
                "wanted": answer.case.answer,
                "observed": answer.text,
                "stop": answer.stop,
                "judged": answer.judged,
                "right": answer.right,
            }
            for answer in answers
        ],
    }
