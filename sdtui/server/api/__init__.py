"""The HTTP APIs: our own, AUTOMATIC1111's and OpenAI's."""
