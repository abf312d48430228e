"""Words and templates; no mechanics."""


def listed(text: str) -> tuple[str, ...]:
    """Words of a text; `_` stands for a space within one word."""
    return tuple(word.replace("_", " ") for word in text.split())
