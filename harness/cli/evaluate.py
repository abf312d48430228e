"""`evaluate`: fifty prompts that no training text holds, asked on the booted kernel, greedily."""

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from harness.cli.answer import CONTROLS
from harness.cli.options import add_build, add_model, add_target, build_options, target_options
from harness.cli.pipeline import built_from
from harness.cli.progress import bar
from harness.cli.report import print_report
from harness.cli.smp import check_smp
from harness.cli.target import running
from harness.errors import EXIT_INTERRUPTED, HarnessError
from harness.link.messages import SamplingParams
from harness.link.prompt import Prompt
from harness.link.session import Session
from harness.train.corpus import Case, evaluation

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
    def right(self) -> bool:
        """Word for word, and then silence."""
        return self.text.strip() == self.case.answer and self.stop == "eos"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """A model, and where it runs."""
    add_model(parser, image_dir=True)
    add_build(parser)
    add_target(parser)
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
        answers = ask(session, evaluation())
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


def report(answers: Sequence[Answered]) -> str:
    """A table of kinds, what was answered wrongly, and what a person has to read."""
    lines = ["kind            right  of"]
    for kind in dict.fromkeys(answer.case.kind for answer in answers):
        judged = [answer for answer in answers if answer.case.kind == kind]
        exact = all(answer.case.exact for answer in judged) and kind != "story"
        n_right = str(sum(answer.right for answer in judged)) if exact else "-"
        lines.append(f"{kind:<15} {n_right:>5} {len(judged):>3}")
    wrong = [answer for answer in answers if answer.case.exact and not answer.right]
    if wrong:
        lines.append("\nwrong:")
    for answer in wrong:
        lines += [
            f"  {answer.case.kind}: {answer.case.turns[-1].text[-100:]}",
            f"    wanted   {answer.case.answer}",
            f"    observed {_shown(answer)}{'' if answer.stop == 'eos' else ' ...'}",
        ]
    lines.append("\nto be read:")
    for answer in answers:
        if not answer.case.exact:
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
        "answers": [
            {
                "kind": answer.case.kind,
                "turns": [[turn.role, turn.text] for turn in answer.case.turns],
                "wanted": answer.case.answer,
                "observed": answer.text,
                "stop": answer.stop,
                "exact": answer.case.exact,
                "right": answer.right,
            }
            for answer in answers
        ],
    }
