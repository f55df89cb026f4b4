"""What Pillow raises for a picture file that it can't read."""

from PIL import Image

UNREADABLE = (
    OSError,
    ValueError,
    SyntaxError,
    Image.DecompressionBombError,
    Image.DecompressionBombWarning,
)
