"""Implementations of the protocols in `sdtui.jobs.api`."""
