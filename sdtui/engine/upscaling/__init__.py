"""Enlarging pictures: by resampling, or by models in tiles."""
