"""Message ids, constants and payloads of the link; gen/link.h is generated from here.

All integers are little endian and packed. A payload that does not have its documented shape raises
LinkError: the frame's CRC was right, so the two sides disagree about the protocol.
"""

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum, IntFlag
from typing import Any

import numpy as np

from harness.errors import LinkError

PROTOCOL = 2
MAX_PAYLOAD = 1024
RESEND_MS = 500  # unacknowledged frames are sent again after this long without progress
SEGMENT_SILENCE_MS = 250  # the kernel drops a half received segment after this silence
GIVE_UP_MS = 10_000  # the kernel gives a silent host up and returns to the console


class Msg(IntEnum):
    """Frame types; ACK and HELLO are the only unsequenced ones."""

    ACK = 0x01
    HELLO = 0x02
    WELCOME = 0x10
    PROMPT_TEXT = 0x20
    PROMPT_IDS = 0x21
    GENERATE = 0x22
    ABORT = 0x23
    MEM_READ = 0x24
    POWEROFF = 0x25
    REBOOT = 0x26
    TOKENIZE = 0x27
    EMBED = 0x28
    SENSORS = 0x29
    PROMPT_TOKENS = 0x30
    PREFILL = 0x31
    TOKEN = 0x32
    LOGITS = 0x33
    DONE = 0x34
    ERROR = 0x35
    MEM_DATA = 0x36
    VECTOR = 0x37
    EMBEDDED = 0x38
    READINGS = 0x39


UNSEQUENCED = frozenset({Msg.ACK, Msg.HELLO})


class PromptFlag(IntFlag):
    """Flags of PROMPT_TEXT; PROMPT_IDS knows FIRST only."""

    FIRST = 1  # clears the prompt ids collected so far
    LAST = 2  # the segment is complete: tokenise it, append its ids
    ADD_SPECIAL = 4
    PARSE_SPECIAL = 8
    # At most one of these: the segment is a turn, inside the model's chat template. With FIRST and
    # ADD_SPECIAL it begins a conversation, with FIRST alone it follows the last reply.
    SYSTEM = 16
    USER = 32
    ASSISTANT = 64


class GenerateFlag(IntFlag):
    """Flags of GENERATE."""

    LOGITS = 1
    IGNORE_EOG = 2
    APPEND = 4  # the prompt continues the tokens already in the context
    TIER_NEON = 1 << 16  # compute with no newer instructions than these
    TIER_DOTPROD = 1 << 17


class EmbedFlag(IntFlag):
    """Flags of EMBED. Pooling: that of the model, or one of MEAN, CLS and LAST_TOKEN."""

    FIRST = 1  # forgets texts and counts of an earlier request
    LAST = 2  # no text follows: make the vectors that are due, and end
    MEAN = 4
    CLS = 8
    LAST_TOKEN = 12
    TIER_NEON = 1 << 16  # as in GENERATE
    TIER_DOTPROD = 1 << 17


class Stop(IntEnum):
    """Why a generation ended."""

    LENGTH = 0
    EOG = 1
    ABORT = 2
    CONTEXT = 3

    @property
    def label(self) -> str:
        """The word of `--json`."""
        return {Stop.LENGTH: "length", Stop.EOG: "eos", Stop.ABORT: "abort"}.get(self, "context")


class ErrorCode(IntEnum):
    """Codes of ERROR."""

    BAD_MESSAGE = 1
    PROMPT_TOO_LONG = 2
    TOKEN_RANGE = 3
    TEXT_FULL = 4
    EMPTY_PROMPT = 5
    ADDRESS = 6
    NO_TURN = 7
    TURN_MARK = 8
    NO_VECTORS = 9
    NO_TEXT = 10
    NO_POOLING = 11


def c_constants() -> Mapping[str, int]:
    """Name and value of every `#define` of gen/link.h, in its order."""
    constants = {
        "LINK_PROTOCOL": PROTOCOL,
        "LINK_MAX_PAYLOAD": MAX_PAYLOAD,
        "LINK_RESEND_MS": RESEND_MS,
        "LINK_SEGMENT_SILENCE_MS": SEGMENT_SILENCE_MS,
        "LINK_GIVE_UP_MS": GIVE_UP_MS,
    }
    for prefix, kind in (
        ("MSG", Msg),
        ("PROMPT", PromptFlag),
        ("GENERATE", GenerateFlag),
        ("EMBED", EmbedFlag),
        ("STOP", Stop),
        ("ERROR", ErrorCode),
    ):
        members = kind.__members__.items()  # those of several bits too
        constants.update({f"{prefix}_{name}": int(member) for name, member in members})
    return constants


@dataclass(frozen=True)
class SamplingParams:
    """How tokens are chosen; names and defaults are llama.cpp's. temp < 0.001 is greedy."""

    n_predict: int = 128
    temp: float = 0.8
    top_k: int = 40
    top_p: float = 0.95
    min_p: float = 0.05
    repeat_penalty: float = 1.0
    repeat_last_n: int = 64
    seed: int = 0
    ignore_eog: bool = False
    n_draft: int = 0  # tokens to guess and compute at once; the answer is the same


_HELLO = struct.Struct("<IH")
_WELCOME = struct.Struct("<IHHQIIIQQ")
_GENERATE = struct.Struct("<IfifffiQII")
_MEM_READ = struct.Struct("<QI")
_TWO_U32 = struct.Struct("<II")
_TOKEN = struct.Struct("<IIf")
_DONE = struct.Struct("<B3xIIIIQQQII")
_CODE = struct.Struct("<H")
_ADDRESS = struct.Struct("<Q")

PROMPT_TEXT_BYTES = MAX_PAYLOAD - 1
PROMPT_IDS_COUNT = (MAX_PAYLOAD - 1) // 4
MEM_DATA_BYTES = MAX_PAYLOAD - _ADDRESS.size


def pack_hello(nonce: int) -> bytes:
    """HELLO: the kernel answers with a WELCOME that carries the same nonce."""
    return _HELLO.pack(nonce, PROTOCOL)


def pack_prompt_text(flags: PromptFlag, text: bytes) -> bytes:
    """PROMPT_TEXT: a piece of at most PROMPT_TEXT_BYTES of a segment."""
    if len(text) > PROMPT_TEXT_BYTES:
        raise LinkError(f"prompt piece of {len(text)} bytes, a frame holds {PROMPT_TEXT_BYTES}")
    return bytes([flags]) + text


def pack_prompt_ids(flags: PromptFlag, ids: Sequence[int]) -> bytes:
    """PROMPT_IDS: at most PROMPT_IDS_COUNT ids."""
    if len(ids) > PROMPT_IDS_COUNT:
        raise LinkError(f"{len(ids)} prompt ids in one frame, it holds {PROMPT_IDS_COUNT}")
    try:
        return struct.pack(f"<B{len(ids)}I", flags, *ids)
    except struct.error as exc:
        wrong = next(i for i in ids if not 0 <= i < 2**32)
        raise LinkError(f"prompt id {wrong} is not a token id (0 to 4294967295)") from exc


def pack_generate(params: SamplingParams, flags: GenerateFlag) -> bytes:
    """GENERATE; IGNORE_EOG comes from params."""
    if params.ignore_eog:
        flags |= GenerateFlag.IGNORE_EOG
    try:
        return _GENERATE.pack(
            params.n_predict,
            params.temp,
            params.top_k,
            params.top_p,
            params.min_p,
            params.repeat_penalty,
            params.repeat_last_n,
            params.seed,
            flags,
            params.n_draft,
        )
    except (struct.error, OverflowError) as exc:
        raise LinkError(
            f"sampling parameters out of range: {params}",
            hint="n_predict and n_draft are u32, top_k and repeat_last_n are i32, seed is u64",
        ) from exc


def pack_mem_read(address: int, size_bytes: int) -> bytes:
    """MEM_READ: at most MEM_DATA_BYTES, so that the answer fits a frame."""
    return _MEM_READ.pack(address, size_bytes)


@dataclass(frozen=True)
class Hello:
    """The host asks who is there; both directions restart at sequence number 0."""

    nonce: int
    protocol: int


@dataclass(frozen=True)
class Welcome:
    """The kernel introduces itself."""

    nonce: int
    protocol: int
    window: int
    build_id: int
    n_vocab_rows: int
    n_ctx: int
    n_past: int
    ticks_per_s: int
    boot_ticks: int
    description: str
    system: str = ""  # what the model is to be told of its machine, by the kernel's knowledge


@dataclass(frozen=True)
class PromptTokens:
    """A slice of the prompt's token ids, ids[0] being number `first` of `total`."""

    total: int
    first: int
    ids: tuple[int, ...]


@dataclass(frozen=True)
class Prefill:
    """Prompt tokens computed so far."""

    done: int
    total: int


@dataclass(frozen=True)
class TokenEvent:
    """A chosen token; prob is its softmax probability over the whole vocabulary."""

    index: int
    id: int
    prob: float
    piece: bytes


@dataclass(frozen=True, eq=False)
class Logits:
    """A slice of the logits from which token `index` is chosen, from row `first` on."""

    index: int
    first: int
    values: np.ndarray[Any, np.dtype[np.float32]]


@dataclass(frozen=True)
class Done:
    """The end of a request, with its counts and times in ticks of the kernel's counter."""

    stop: Stop
    n_prompt: int
    n_reused: int
    n_generated: int
    n_past: int
    ticks_receive: int
    ticks_prefill: int
    ticks_decode: int
    n_drafted: int
    n_accepted: int


@dataclass(frozen=True)
class ErrorReply:
    """The kernel refuses a request."""

    code: int
    text: str


@dataclass(frozen=True)
class MemData:
    """Memory as it was when the kernel sent it."""

    address: int
    data: bytes


def fields_of(kind: Msg, layout: struct.Struct, payload: bytes) -> tuple[Any, ...]:
    """The fields that a payload begins with."""
    if len(payload) < layout.size:
        raise LinkError(
            f"{kind.name} payload has {len(payload)} bytes, expected at least {layout.size}",
            hint="kernel and harness come from different versions: rebuild the image",
        )
    return layout.unpack_from(payload)


def words_of(kind: Msg, payload: bytes, dtype: str) -> np.ndarray[Any, Any]:
    """The rest of a payload as values of four bytes."""
    if len(payload) % 4:
        raise LinkError(f"{kind.name} carries {len(payload)} bytes of values, expected 4 each")
    return np.frombuffer(payload, dtype=dtype)


def unpack_hello(payload: bytes) -> Hello:
    """HELLO, as the kernel reads it."""
    return Hello(*fields_of(Msg.HELLO, _HELLO, payload))


def unpack_welcome(payload: bytes) -> Welcome:
    """WELCOME with its description and, on a second line, the system line."""
    text = payload[_WELCOME.size :].decode("utf-8", "replace")
    description, _, system = text.partition("\n")
    return Welcome(*(*fields_of(Msg.WELCOME, _WELCOME, payload), description, system))


def unpack_prompt_tokens(payload: bytes) -> PromptTokens:
    """PROMPT_TOKENS."""
    total, first = fields_of(Msg.PROMPT_TOKENS, _TWO_U32, payload)
    ids = tuple(words_of(Msg.PROMPT_TOKENS, payload[_TWO_U32.size :], "<u4").tolist())
    if first + len(ids) > total:
        raise LinkError(f"PROMPT_TOKENS holds ids {first} to {first + len(ids)}, of {total}")
    return PromptTokens(total, first, ids)


def unpack_prefill(payload: bytes) -> Prefill:
    """PREFILL."""
    return Prefill(*fields_of(Msg.PREFILL, _TWO_U32, payload))


def unpack_token(payload: bytes) -> TokenEvent:
    """TOKEN; the piece may hold a part of a UTF-8 sequence."""
    index, token, prob = fields_of(Msg.TOKEN, _TOKEN, payload)
    return TokenEvent(index, token, prob, payload[_TOKEN.size :])


def unpack_logits(payload: bytes) -> Logits:
    """LOGITS."""
    index, first = fields_of(Msg.LOGITS, _TWO_U32, payload)
    return Logits(index, first, words_of(Msg.LOGITS, payload[_TWO_U32.size :], "<f4"))


def unpack_done(payload: bytes) -> Done:
    """DONE."""
    stop, *counts = fields_of(Msg.DONE, _DONE, payload)
    return Done(stop_of(Msg.DONE, stop), *counts)


def stop_of(kind: Msg, number: int) -> Stop:
    """Why a request ended."""
    if number not in tuple(Stop):
        raise LinkError(f"{kind.name} has stop reason {number}, expected 0 to {max(Stop)}")
    return Stop(number)


def unpack_error(payload: bytes) -> ErrorReply:
    """ERROR; unknown codes are kept as numbers."""
    (code,) = fields_of(Msg.ERROR, _CODE, payload)
    return ErrorReply(code, payload[_CODE.size :].decode("utf-8", "replace"))


def unpack_mem_data(payload: bytes) -> MemData:
    """MEM_DATA."""
    (address,) = fields_of(Msg.MEM_DATA, _ADDRESS, payload)
    return MemData(address, payload[_ADDRESS.size :])
