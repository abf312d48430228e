"""Bytes to messages and back: the host's end of the link (its twin is kernel/link)."""
