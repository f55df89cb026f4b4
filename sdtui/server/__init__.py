"""The HTTP server: our own API, the two that existing clients speak, and metrics. It asks through
the queue, as the other faces do, and never touches the engine."""
