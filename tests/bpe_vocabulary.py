"""A small byte-level BPE vocabulary, without a file."""

import numpy as np

from harness.gguf import Vocabulary
from harness.gguf.bpe import BYTE_TEXTS
from harness.gguf.model import TOKEN_CONTROL, TOKEN_NORMAL, TOKEN_USER_DEFINED
from harness.gguf.pre_tokenizer import PRE_TOKENIZERS
from harness.synth.vocabulary import make_merges

# Special texts that overlap, and a control token that merges could make.
CONTROL = ("<|x|>", "<|x|><|y|>", "hello")
USER_DEFINED = ("x|", "\n\n", "<think>")
MERGED = ("é", "你好", "한", "\ufffd\ufffd", "😀", "123", "!!", "hello", "</s>", "'s", "\n ")
WITHOUT_TOKEN = (0xC0, *range(0xF5, 0x100))  # bytes that no text holds, as in some vocabularies


def bpe_vocabulary(pre: str) -> Vocabulary:
    """English pieces, merges across the bytes of other scripts, special tokens."""
    table = make_merges(1500, pre)
    types = dict(zip(table.texts, table.types, strict=True))
    merges = [tuple(line.split(" ")) for line in table.merges]
    for word in MERGED:
        spelled = [BYTE_TEXTS[byte].decode() for byte in word.encode()]
        for i in range(1, len(spelled)):
            left, right = "".join(spelled[:i]), spelled[i]
            types.setdefault(left + right, TOKEN_NORMAL)
            if (left, right) not in merges:
                merges.insert(len(types) * 37 % len(merges), (left, right))
    types |= dict.fromkeys(CONTROL, TOKEN_CONTROL) | dict.fromkeys(USER_DEFINED, TOKEN_USER_DEFINED)
    for byte in WITHOUT_TOKEN:
        del types[BYTE_TEXTS[byte].decode()]
    ids = {text: i for i, text in enumerate(types)}
    return Vocabulary(
        tokens=tuple(text.encode() for text in types),
        scores=np.zeros(len(types), np.float32),
        types=np.array(list(types.values()), np.uint8),
        bos_id=ids["<|begin_of_text|>"],
        eos_id=ids["<|end_of_text|>"],
        unk_id=None,
        add_bos=True,
        add_eos=pre == "gpt-2",  # some vocabulary with it
        add_space_prefix=False,
        eog_ids=(ids["<|end_of_text|>"], ids["<|eot_id|>"]),
        model="gpt2",
        pre=PRE_TOKENIZERS[pre],
        merges=np.array([[ids[a], ids[b], ids[a + b]] for a, b in merges], np.int32),
    )
