"""Errors, settings, paths, files, text and fields for all packages. Imports no large libraries."""
