"""The part of OpenAI's images API that applies to sdtui."""
