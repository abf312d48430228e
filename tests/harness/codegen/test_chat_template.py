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
CHATML = (
    "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\n' + m['content'] + '<|im_end|>' + "
    "'\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
LLAMA2 = (
    "{% if messages[0]['role'] == 'system' %}{% set rest = messages[1:] %}"
    "{% set s = messages[0]['content'] %}{% else %}{% set rest = messages %}{% set s = false %}"
    "{% endif %}{% for m in rest %}"
    "{% if (m['role'] == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('roles must alternate') }}{% endif %}"
    "{% if loop.index0 == 0 and s != false %}"
    "{% set c = '<<SYS>>\\n' + s + '\\n<</SYS>>\\n\\n' + m['content'] %}"
    "{% else %}{% set c = m['content'] %}{% endif %}"
    "{% if m['role'] == 'user' %}{{ bos_token + '[INST] ' + c.strip() + ' [/INST]' }}"
    "{% else %}{{ ' ' + c.strip() + ' ' + eos_token }}{% endif %}{% endfor %}"
)
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
        reply=(),
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


def test_chatml_and_bos_only_where_the_model_wants_it() -> None:
    start, end = ID["<|im_start|>"], ID["<|im_end|>"]
    assert form_of(CHATML).open == (1, start, b"user\n")
    assert form_of(CHATML).again == (end, b"\n", start, b"user\n")
    without = chat_of(model_with(CHATML, add_bos=False)).form
    assert without
    assert without.open == (start, b"user\n")


def test_llama_2_tells_the_system_s_words_inside_the_user_s_turn() -> None:
    form = form_of(LLAMA2)
    assert form.open == (1, b"[INST] ")
    assert form.open_system == (1, b"[INST] <<SYS>>\n")
    assert form.system_user == (b"\n<</SYS>>\n\n",)
    assert form.ask == (b" [/INST]",)
    assert form.reply == (b" ",)
    assert form.again == (b" ", 2, 1, b"[INST] ")


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
    assert fragments(form_of(CHATML), turns) == (
        *(1, 7, b"system\nS", 8, b"\n", 7, b"user\n<|end|>", 8, b"\n", 7, b"assistant\nA"),
        *(8, b"\n", 7, b"user\nU", 8, b"\n", 7, b"assistant\n"),
    )
    assert fragments(form_of(CHATML), [("user", b"U")], first=False)[:3] == (8, b"\n", 7)


def test_the_system_line_is_the_one_of_the_file(tmp_path: Path) -> None:
    chat = chat_of(read_gguf(write_chat_model(tmp_path / "m.gguf")))
    assert chat.system_line == "You are Bareword, a small language model on bare metal."


@pytest.mark.parametrize(
    ("template", "problem"),
    [
        ("{% for m in messages %}{{ m.content | upper }}{% endfor %}", "changes, repeats"),
        ("{% for m in messages | reverse %}{{ m.content }} {% endfor %}", "order"),
        ("{{ messages[0].content }}{{ messages[-1].content }}", "changes, repeats"),
        ("{% for m in messages %}{{ loop.index }}{{ m.content }}{% endfor %}", "more than one way"),
        ("{% for m in messages %}", "TemplateSyntaxError"),
        ("{{ raise_exception('never') }}", "never"),
        ("{{ messages.__class__.__mro__[1].__subclasses__() }}", "SecurityError"),
        ("{% for m in messages %}{{ m.content }}{% endfor %}{{ 'x' * 100000 }}", "characters"),
        ("{{ 'x' * 1000000000 }}", "MemoryError"),
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
