"""Middleware that handles every HTTP request before its handler."""
