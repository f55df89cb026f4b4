"""Captions written by models of transformers, in a process of its own."""
