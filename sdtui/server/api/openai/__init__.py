"""OpenAI's images API, as far as it has a meaning here."""
