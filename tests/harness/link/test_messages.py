"""harness/link/messages.py: constants, layouts, refusals."""

import struct

import pytest

from harness.errors import LinkError
from harness.link import messages
from harness.link.messages import GenerateFlag, Msg, PromptFlag, SamplingParams, Stop


def test_c_constants_are_unique_names_with_the_contract_s_values() -> None:
    constants = messages.c_constants()
    assert constants["LINK_MAX_PAYLOAD"] == 1024
    assert constants["MSG_DONE"] == 0x34
    assert constants["PROMPT_PARSE_SPECIAL"] == 8
    assert constants["GENERATE_APPEND"] == 4
    assert constants["STOP_CONTEXT"] == 3
    assert constants["ERROR_ADDRESS"] == 6
    assert constants["EMBED_LAST_TOKEN"] == 12
    assert len(constants) == 5 + len(Msg) + 7 + 5 + 7 + 4 + 11
    assert all(name.isidentifier() and name.isupper() for name in constants)


def test_generate_is_packed_as_the_kernel_reads_it() -> None:
    params = SamplingParams(7, 0.5, -1, 0.25, 0.125, 1.5, -1, 2**64 - 1, ignore_eog=True, n_draft=5)
    packed = messages.pack_generate(params, GenerateFlag.LOGITS)
    assert struct.unpack("<I f i f f f i Q I I", packed) == (
        *(7, 0.5, -1, 0.25, 0.125, 1.5, -1, 2**64 - 1),
        3,
        5,
    )


@pytest.mark.parametrize("params", [SamplingParams(-1), SamplingParams(seed=-1)])
def test_parameters_out_of_range_are_refused(params: SamplingParams) -> None:
    with pytest.raises(LinkError, match="out of range"):
        messages.pack_generate(params, GenerateFlag(0))


@pytest.mark.parametrize("wrong", [-1, 2**32])
def test_an_id_that_is_no_id_is_named(wrong: int) -> None:
    with pytest.raises(LinkError, match=f"prompt id {wrong} "):
        messages.pack_prompt_ids(PromptFlag.FIRST, [1, wrong])


def test_prompt_pieces_that_exceed_a_frame_are_refused() -> None:
    with pytest.raises(LinkError, match="1023"):
        messages.pack_prompt_text(PromptFlag.FIRST, bytes(1024))
    with pytest.raises(LinkError, match="255"):
        messages.pack_prompt_ids(PromptFlag.FIRST, [0] * 256)


def test_welcome_round_trip() -> None:
    packed = struct.pack("<IHHQIIIQQ", 1, 2, 3, 4, 5, 6, 7, 8, 9) + "virt é".encode()
    welcome = messages.unpack_welcome(packed)
    assert (welcome.nonce, welcome.build_id, welcome.boot_ticks) == (1, 4, 9)
    assert welcome.description == "virt é"


def test_done_round_trip_and_stop_words() -> None:
    done = messages.unpack_done(struct.pack("<B3xIIIIQQQII", *range(1, 11)))
    assert done == messages.Done(Stop.EOG, *range(2, 11))
    assert [stop.label for stop in Stop] == ["length", "eos", "abort", "context"]


@pytest.mark.parametrize(
    ("unpack", "payload", "words"),
    [
        (messages.unpack_hello, bytes(5), "HELLO payload has 5 bytes, expected at least 6"),
        (messages.unpack_welcome, bytes(43), "WELCOME payload has 43 bytes, expected at least 44"),
        (messages.unpack_prompt_tokens, bytes(7), "PROMPT_TOKENS payload has 7"),
        (messages.unpack_prompt_tokens, bytes(10), "expected 4 each"),
        (messages.unpack_prompt_tokens, bytes(12), "of 0"),
        (messages.unpack_prefill, bytes(3), "PREFILL"),
        (messages.unpack_token, bytes(11), "TOKEN payload has 11 bytes, expected at least 12"),
        (messages.unpack_logits, bytes(9), "LOGITS carries 1 bytes"),
        (messages.unpack_done, bytes(51), "DONE payload has 51 bytes, expected at least 52"),
        (messages.unpack_done, b"\x04" + bytes(51), "stop reason 4, expected 0 to 3"),
        (messages.unpack_error, b"\0", "ERROR payload has 1 bytes, expected at least 2"),
        (messages.unpack_mem_data, bytes(7), "MEM_DATA payload has 7"),
    ],
)
def test_malformed_payloads_say_what_was_expected(unpack, payload, words) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(LinkError, match=words):
        unpack(payload)
