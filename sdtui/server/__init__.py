"""The HTTP server: the native API, those of AUTOMATIC1111 and OpenAI, and metrics. Like the other
interfaces it uses the queue and never the engine."""
