"""Fitting a run into the memory that is there."""
