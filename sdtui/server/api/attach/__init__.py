"""The API for attached apps and commands: the calls of a backend, its events, and its pictures."""
