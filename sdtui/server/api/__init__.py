"""The HTTP APIs: the native one, AUTOMATIC1111's and OpenAI's."""
