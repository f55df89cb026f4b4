"""The sections of a request: one file a feature, each a frozen dataclass of annotated fields."""
