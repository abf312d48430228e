"""Which layers see only a window of keys, and how large it is."""

from harness.gguf.architecture import Architecture
from harness.gguf.metadata import Metadata

MAX_WINDOW = 1 << 24


def window_of(metadata: Metadata, arch: Architecture) -> int:
    """Keys that a token of a local layer sees, itself among them; 0: there are no local layers."""
    if arch.window is None:
        return 0  # llama.cpp ignores the key of Mistral 7B v0.1 and of Phi-3 as well
    key = arch.name + ".attention.sliding_window"
    return metadata.integer(key, 1 if arch.window else 0, MAX_WINDOW, default=arch.window)


def local_layers(metadata: Metadata, arch: Architecture, n_layer: int) -> tuple[bool, ...]:
    """Of each layer whether it is local; a key gives the pattern or a flag for each layer."""
    key = arch.name + ".attention.sliding_window_pattern"
    if key not in metadata or arch.local_every == 0:
        every = arch.local_every
    elif arch.local_every_fixed:
        every = arch.local_every
        if metadata.holds_array(key) or metadata.integer(key, 0, 1 << 16) != every:
            metadata.fail(key, f"is not {every}, the only pattern that {arch.name} has")
    elif metadata.holds_array(key):
        flags = metadata.numbers(key, "b", "booleans")
        if len(flags) != n_layer:
            metadata.fail(key, f"has {len(flags)} elements, wanted one per layer: {n_layer}")
        return tuple(bool(flag) for flag in flags)
    else:
        every = metadata.integer(key, 1, 1 << 16)
    return tuple(layer % every < every - 1 for layer in range(n_layer))
