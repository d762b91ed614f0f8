"""Which encoder makes a deflate stream again, as containers ask for it."""

from airlock.core.deflate_encoders import Recipe, deflated, families, find, is_encoder

__all__ = ["Recipe", "deflated", "families", "find", "is_encoder"]
