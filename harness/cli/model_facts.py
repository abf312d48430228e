"""model.json and the first half of `inspect`: what the GGUF says, without its weights."""

from collections import Counter
from dataclasses import asdict
from typing import Any

from harness.gguf import Model


def model_facts(model: Model) -> dict[str, Any]:
    """JSON types only; deterministic."""
    vocabulary = model.vocabulary
    return {
        "name": model.name,
        "architecture": model.architecture,
        "size_bytes": model.size_bytes,
        "weights_bytes": model.weights_bytes,
        "parameters": sum(t.n_rows * t.n_cols for t in model.tensors.values()),
        "types": dict(sorted(Counter(t.type.name for t in model.tensors.values()).items())),
        "matrix_types": sorted(kind.name for kind in model.matrix_types),
        "tied": model.tied,
        "makes_vectors": model.makes_vectors,
        "has_dense": model.has_dense,
        **asdict(model.hyper),
        "n_vocab": len(vocabulary.tokens),
        "tokenizer": vocabulary.model,
        "bos_id": vocabulary.bos_id,
        "eos_id": vocabulary.eos_id,
        "unk_id": vocabulary.unk_id,
        "eog_ids": list(vocabulary.eog_ids),
        "add_bos": vocabulary.add_bos,
        "add_eos": vocabulary.add_eos,
        "chat_template": model.chat_template is not None,
        "tensors": [
            {"name": t.name, "type": t.type.name, "shape": list(t.shape), "bytes": t.size_bytes}
            for t in model.tensors.values()
        ],
    }


def facts_table(facts: dict[str, Any]) -> str:
    """The facts for a person."""
    types = ", ".join(f"{count} {name}" for name, count in facts["types"].items())
    rope = f"base {facts['rope_freq_base']:g}, {facts['n_rot']} of {facts['head_size']}"
    positions = ("rope", rope) if facts["n_rot"] else ("positions", "learned")
    rows = (
        ("model", f"{facts['name']} ({facts['architecture']})"),
        ("parameters", f"{facts['parameters']:,}"),
        ("file", f"{facts['size_bytes']:,} bytes"),
        ("tensors", types),
        ("layers", f"{facts['n_layer']}"),
        ("embedding", f"{facts['n_embd']}, feed-forward {facts['n_ff']}"),
        ("heads", f"{facts['n_head']}, {facts['n_head_kv']} for keys and values"),
        positions,
        *([("window", _window(facts))] if facts["window"] else []),
        ("context", f"trained for {facts['n_ctx_train']}"),
        *([("pooling", _pooling(facts))] if facts["makes_vectors"] else []),
        (
            "vocabulary",
            f"{facts['n_vocab']} tokens ({facts['tokenizer']}), ends at {facts['eog_ids']}",
        ),
    )
    return "\n".join(f"{name:<12}{value}" for name, value in rows)


def _pooling(facts: dict[str, Any]) -> str:
    pooling = facts["pooling"] or "the file names none"
    return f"{pooling}, then {2 if facts['has_dense'] else 'no'} dense layers"


def _window(facts: dict[str, Any]) -> str:
    return f"{facts['window']} tokens in {sum(facts['local_layers'])} of {facts['n_layer']} layers"
