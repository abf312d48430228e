"""Executed instructions of a running image, by phase and by what they compute."""
