"""Weights in 8 and 4 bits: layers that compute with them, and how models get them."""
