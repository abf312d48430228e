"""The blob's tables of the vocabulary."""

import numpy as np

from harness.gguf import Vocabulary


def vocabulary_tables(vocabulary: Vocabulary) -> dict[str, bytes]:
    """Every vocabulary table by its entry's name."""
    tokens = vocabulary.tokens
    offsets = np.zeros(len(tokens) + 1, "<u4")
    np.cumsum([len(token) for token in tokens], out=offsets[1:])
    by_text = sorted(range(len(tokens)), key=lambda i: (tokens[i], i))
    return {
        "token_text_offset": offsets.tobytes(),
        "token_text": b"".join(tokens),
        "token_score": vocabulary.scores.astype("<f4").tobytes(),
        "token_type": vocabulary.types.astype(np.uint8).tobytes(),
        "token_sorted": np.array(by_text, "<u4").tobytes(),
    }
