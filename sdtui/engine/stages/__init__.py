"""The stages of a run: load, encode, denoise, decode."""
