"""What the kernel refuses, and a kernel that is refused: sentences with the next step."""

from harness.errors import LinkError, TargetError
from harness.link.messages import PROTOCOL, ErrorCode, ErrorReply, Welcome

_HINTS = {
    ErrorCode.BAD_MESSAGE: "kernel and harness come from different versions: rebuild the image",
    ErrorCode.PROMPT_TOO_LONG: "build with a larger --ctx, or shorten the prompt",
    ErrorCode.TOKEN_RANGE: "token ids must be below the model's vocabulary size",
    ErrorCode.TEXT_FULL: "shorten the prompt, or send it as token ids",
    ErrorCode.EMPTY_PROMPT: "give a prompt of at least one token",
    ErrorCode.ADDRESS: "the memory plan lists the addresses that exist",
    ErrorCode.NO_TURN: "leave it out, or put its words into the user's turn",
    ErrorCode.TURN_MARK: "write it otherwise, or send the whole prompt with --raw",
    ErrorCode.NO_VECTORS: "`run` goes on with a text; `embed` wants an embedding model",
    ErrorCode.NO_TEXT: "`embed` makes vectors of texts",
    ErrorCode.NO_POOLING: "--pooling mean, cls or last",
}
# `embed` takes no ids; a context holds so many bytes of text as well as tokens.
_TEXT_HINTS = {
    ErrorCode.TEXT_FULL: "shorten the text, or build with a larger --ctx",
    ErrorCode.PROMPT_TOO_LONG: "shorten the text, or build with a larger --ctx",
}


def check_welcome(welcome: Welcome, expected_build_id: int | None) -> None:
    """TargetError when another protocol or another build answers than the one wanted."""
    if welcome.protocol != PROTOCOL:
        raise TargetError(
            f"the kernel speaks protocol {welcome.protocol}, the harness {PROTOCOL}",
            hint="rebuild the image with this harness",
        )
    if expected_build_id is not None and welcome.build_id != expected_build_id:
        raise TargetError(
            f"the target runs build {welcome.build_id:016x}, expected {expected_build_id:016x}",
            hint="it was made from another model, with other options, or by another version: flash "
            "or boot the image that was just built",
        )


def refused(reply: ErrorReply, *, of_texts: bool = False) -> LinkError:
    """ERROR as the user sees it; of_texts: he wanted vectors of them."""
    known = reply.code in tuple(ErrorCode)
    name = ErrorCode(reply.code).name.lower().replace("_", " ") if known else "unknown reason"
    hints = {**_HINTS, **_TEXT_HINTS} if of_texts else _HINTS
    return LinkError(
        f"the kernel refused: {reply.text or name} (error {reply.code})",
        hint=hints[ErrorCode(reply.code)] if known else "",
    )
