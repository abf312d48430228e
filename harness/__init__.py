"""The host side of Bareword: from a GGUF file to a verdict, one folder per stage."""
