"""Arithmetic on pictures, with Pillow and NumPy only."""
