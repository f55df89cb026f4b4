"""Requests, records and the events of a run."""
