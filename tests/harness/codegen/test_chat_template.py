"""harness/codegen/chat_template.py: well-known templates by their markers; odd ones are named."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from harness.codegen.chat_template import Chat, ChatForm, chat_of, fragments
from harness.gguf import Model, Vocabulary, read_gguf
from harness.gguf.model import TOKEN_CONTROL, TOKEN_NORMAL
from harness.synth import synthesize
from harness.train.export import CHAT_TEMPLATE
from tests.chat_model import write_chat_model
from tests.harness.plan.shapes import model_of

TOKENS = (
    *("<unk>", "<s>", "</s>", "<|system|>", "<|user|>", "<|assistant|>", "<|end|>"),
    *("<|im_start|>", "<|im_end|>", "word"),
)
ID = {text: i for i, text in enumerate(TOKENS)}
NO_SYSTEM = (
    "{{ bos_token }}{% if messages[0]['role'] == 'system' %}{{ raise_exception('no system') }}"
    "{% endif %}{% for m in messages %}{{ m['role'] + ': ' + m['content'] | trim + '\n' }}"
    "{% endfor %}{{ 'assistant: ' }}"
)


def model_with(template: str | None, *, add_bos: bool = True) -> Model:
    vocabulary = Vocabulary(
        tokens=tuple(text.encode() for text in TOKENS),
        scores=np.zeros(len(TOKENS), np.float32),
        types=np.array([TOKEN_CONTROL] * (len(TOKENS) - 1) + [TOKEN_NORMAL], np.uint8),
        bos_id=1,
        eos_id=2,
        unk_id=0,
        add_bos=add_bos,
        add_eos=False,
        add_space_prefix=False,
        eog_ids=(2,),
    )
    return dataclasses.replace(model_of(), chat_template=template, vocabulary=vocabulary)


def form_of(template: str) -> ChatForm:
    chat = chat_of(model_with(template))
    assert chat.form is not None, chat.problem
    return chat.form


def test_a_model_without_a_template_has_none_and_no_problem() -> None:
    assert chat_of(model_with(None)) == Chat()


def test_the_template_of_our_own_models() -> None:
    system, user, assistant, end = (ID[text] for text in TOKENS[3:7])
    assert form_of(CHAT_TEMPLATE) == ChatForm(
        open=(1, user, b"\n"),
        open_system=(1, system, b"\n"),
        system_user=(end, b"\n", user, b"\n"),
        ask=(end, b"\n", assistant, b"\n"),
        told=(end, b"\n", assistant, b"\n"),
        again=(end, b"\n", user, b"\n"),
    )


def test_line_breaks_that_special_tokens_swallow_are_not_written() -> None:
    system, user, assistant, end = (ID[text] for text in TOKENS[3:7])
    model = model_with(CHAT_TEMPLATE)
    phi3 = dataclasses.replace(model.vocabulary, swallow_space=frozenset((system, user, end)))
    form = chat_of(dataclasses.replace(model, vocabulary=phi3)).form
    assert form
    assert form.open == (1, user)
    assert form.ask == (end, assistant, b"\n")
    assert fragments(form, [("user", b" \n U ")]) == (1, user, b"U ", end, assistant, b"\n")


def test_bos_only_where_the_model_wants_it() -> None:
    user = ID["<|user|>"]
    without = chat_of(model_with(CHAT_TEMPLATE, add_bos=False)).form
    assert without
    assert without.open == (user, b"\n")


def test_a_template_may_refuse_a_system_turn() -> None:
    form = form_of(NO_SYSTEM)
    assert form.open_system is None
    assert form.open == (1, b"user: ")


def test_a_template_of_many_words_is_not_used() -> None:
    assert chat_of(model_with("x" * 3000 + NO_SYSTEM)).form
    assert "wanted 4096 at most" in chat_of(model_with("x" * 5000 + NO_SYSTEM)).problem


@pytest.mark.slow
def test_the_zephyr_template_of_synth(tmp_path: Path) -> None:
    path = synthesize("tinyllama-1.1b", quant="Q4_0", path=tmp_path / "m.gguf", n_ctx=64)
    form = chat_of(read_gguf(path)).form
    path.unlink()  # 600 MB
    assert form
    assert form.open == (1, b"<|user|>\n")
    assert form.ask == (2, b"\n<|assistant|>\n")


def test_a_conversation_is_the_pieces_with_what_was_said() -> None:
    turns = [("system", b"S"), ("user", b"<|end|>"), ("assistant", b"A"), ("user", b"U")]
    system, user, assistant, end = (ID[text] for text in TOKENS[3:7])
    assert fragments(form_of(CHAT_TEMPLATE), turns) == (
        *(1, system, b"\nS", end, b"\n", user, b"\n<|end|>", end, b"\n", assistant, b"\nA"),
        *(end, b"\n", user, b"\nU", end, b"\n", assistant, b"\n"),
    )
    assert fragments(form_of(CHAT_TEMPLATE), [("user", b"U")], first=False)[:2] == (end, b"\n")


def test_the_system_line_is_the_one_of_the_file(tmp_path: Path) -> None:
    chat = chat_of(read_gguf(write_chat_model(tmp_path / "m.gguf")))
    assert chat.system_line == "You are Bareword, a small language model on bare metal."


def test_words_that_are_marked_for_trainers_are_words() -> None:
    plain = "{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}<assistant>"
    marked = plain.replace("{{ m.content }}", "{% generation %}{{ m.content }}{% endgeneration %}")
    assert form_of(marked) == form_of(plain)


@pytest.mark.parametrize(
    ("template", "problem"),
    [
        (
            "{% for m in messages %}{{ m.content | upper }}{% endfor %}",
            "in a conversation of user it changes or leaves out message 1 (user)",
        ),
        (
            "{% for m in messages %}<{{ m.role }}>{{ m.content | e }}{% endfor %}:",
            "changes or leaves",
        ),
        (
            "{% for m in messages | reverse %}{{ m.content }} {% endfor %}",
            "of user, assistant, user it writes message 2 (assistant) before message 1 (user)",
        ),
        (
            "{{ messages[0].content }}{{ messages[-1].content }}",
            "in a conversation of user it repeats message 1 (user)",
        ),
        (
            "{% for m in messages %}{{ m.role }}{{ loop.index }}:{{ m.content }}{% endfor %}",
            "of user, assistant, user, assistant, user it writes 'assistant4:' before message 4",
        ),
        (
            "{% for m in messages %}{{ m.role }}: {{ m.content.strip(' ') }}{% endfor %}:",
            "with spaces around their words it writes",
        ),
        ("{% for m in messages %}{{ m.content }}\n{% endfor %}", "which anyone can type"),
        ("{% for m in messages %}<{{ m.role }}\x1b>{{ m.content }}{% endfor %}:", "be printed"),
        ("{% for m in messages %}<{{ m.role }}\0>{{ m.content }}{% endfor %}:", "NUL"),
        ("{% for m in messages %}", "TemplateSyntaxError"),
        ("{{ raise_exception('never') }}", "never"),
        ("{{ messages.__class__.__mro__[1].__subclasses__() }}", "SecurityError"),
        ("{% for m in messages %}{{ m.content }}{% endfor %}{{ 'x' * 100000 }}", "characters"),
        ("{{ 'x' * 200000000 }}", "MemoryError"),
        pytest.param(
            "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
            "limits of time",
            marks=pytest.mark.slow,
        ),
    ],
)
def test_an_odd_template_is_a_sentence(template: str, problem: str) -> None:
    chat = chat_of(model_with(template))
    assert chat.form is None
    assert problem in chat.problem
    assert "\n" not in chat.problem
    assert chat.notes[0].endswith("; the model runs without turns")
