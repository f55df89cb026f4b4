"""Fitting a run into the available memory."""
