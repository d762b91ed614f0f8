"""Importing this registers every attack."""

from tests.attacks import (
    paths,
)

__all__ = [
    "paths",
]
