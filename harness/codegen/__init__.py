"""MemoryPlan -> gen/*.h and gen/kernel.ld: what the kernel is compiled for, byte for byte."""

from harness.codegen.chat_template import Chat, ChatForm, Piece, chat_of, fragments, markers
from harness.codegen.headers import (
    Headers,
    render_headers,
    render_loader,
    write_files,
    write_headers,
)

__all__ = [
    "Chat",
    "ChatForm",
    "Headers",
    "Piece",
    "chat_of",
    "fragments",
    "markers",
    "render_headers",
    "render_loader",
    "write_files",
    "write_headers",
]
