"""Hugging Face's inference API: text-to-image and image-to-image."""
