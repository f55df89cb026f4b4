"""The terminal itself: keys that come from it, what it can do, and how it is left."""
