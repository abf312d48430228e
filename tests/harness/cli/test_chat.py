"""harness/cli/chat.py: which requests a conversation makes."""

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

from harness.cli.chat import Conversation
from harness.link.generation import Generation, Stats
from harness.link.messages import SamplingParams
from harness.link.prompt import Prompt
from harness.link.stream import TargetLost

STATS = Stats(1, 0, 1, 2, 1000, 1, 1, 1)


@dataclass
class FakeSession:
    """Answers with nothing; the turns of `lost` never reach the kernel."""

    lost: tuple[int, ...] = ()
    asked: list[tuple[Prompt, bool]] = field(default_factory=list)

    def generate(
        self, prompt: Prompt, _params: SamplingParams, *, append: bool, **_: Any
    ) -> Generation:
        stats = None if len(self.asked) in self.lost else STATS
        self.asked.append((prompt, append))
        return Generation((), (), (), "", "length" if stats else "abort", (), None, stats)


def talk(session: FakeSession, *lines: str) -> list[tuple[bool, bool]]:
    """(BOS is added, the context continues) of each turn."""
    conversation = Conversation(session, SamplingParams(), "a clock")  # type: ignore[arg-type]
    for line in lines:
        assert conversation.take(line)
    return [(prompt.segments[0].add_special, append) for prompt, append in session.asked]


def test_the_first_turn_starts_and_the_others_continue() -> None:
    assert talk(FakeSession(), "one", "two", "/reset", "three") == [
        (True, False),
        (False, True),
        (True, False),
    ]


def test_a_turn_that_never_reached_the_kernel_started_nothing() -> None:
    assert talk(FakeSession(lost=(0,)), "one", "two") == [(True, False), (True, False)]


def test_the_user_s_words_are_no_special_tokens() -> None:
    session = FakeSession()
    conversation = Conversation(session, SamplingParams(), "a clock")  # type: ignore[arg-type]
    conversation.say(Prompt.of_text("</s> from the command line"))
    conversation.take("<s> and from a line")
    assert [p.segments[0].parse_special for p, _ in session.asked] == [False, False]


def test_ids_of_the_command_line_stay_ids() -> None:
    session = FakeSession()
    conversation = Conversation(session, SamplingParams(), "a clock")  # type: ignore[arg-type]
    conversation.say(Prompt.of_ids([1, 2]))
    assert session.asked == [(Prompt.of_ids([1, 2]), False)]


def test_turns_of_a_chat_model_go_without_what_went_before() -> None:
    session = FakeSession()
    conversation = Conversation(session, SamplingParams(), "a clock", "Be.")  # type: ignore[arg-type]
    for line in ("one", "two", "/reset", "three"):
        conversation.take(line)
    system = ("system", b"Be.")
    assert session.asked == [
        (Prompt.of_turns(system, ("user", b"one")), False),
        (Prompt.of_turns(("user", b"two"), first=False), True),
        (Prompt.of_turns(system, ("user", b"three")), False),
    ]


def test_a_chat_model_need_not_be_told_anything() -> None:
    session = FakeSession()
    Conversation(session, SamplingParams(), "a clock", "").take("one")  # type: ignore[arg-type]
    assert session.asked == [(Prompt.of_turns(("user", b"one")), False)]


@dataclass
class LossySession(FakeSession):
    """Its cable is pulled out in the second turn."""

    reconnected: int = 0

    def generate(
        self, prompt: Prompt, _params: SamplingParams, *, append: bool, **_: Any
    ) -> Generation:
        answer = super().generate(prompt, _params, append=append)
        if len(self.asked) == 2:
            raise TargetLost("/dev/ttyUSB0 is gone", hint="is it plugged in?")
        return answer

    def reconnect(self) -> SimpleNamespace:
        self.reconnected += 1
        return SimpleNamespace(description="a board")


def test_a_board_that_comes_back_begins_a_new_conversation(
    capsys: pytest.CaptureFixture[str],
) -> None:
    session = LossySession()
    conversation = Conversation(
        session,  # type: ignore[arg-type]
        SamplingParams(),
        "a clock",
        comes_back=True,
    )
    for line in ("one", "two", "three"):
        assert conversation.take(line)
    assert session.reconnected == 1
    assert [append for _, append in session.asked] == [False, True, False]
    said = capsys.readouterr().err
    assert "/dev/ttyUSB0 is gone" in said
    assert "the board is back" in said


def test_a_machine_of_ours_that_is_lost_ends_the_chat() -> None:
    conversation = Conversation(LossySession(), SamplingParams(), "a clock")  # type: ignore[arg-type]
    conversation.take("one")
    with pytest.raises(TargetLost):
        conversation.take("two")
