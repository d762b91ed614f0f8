"""Importing this registers every attack."""

from tests.attacks import bombs, containers, contents, deltas, json_text, names, paths, signatures

__all__ = ["bombs", "containers", "contents", "deltas", "json_text", "names", "paths", "signatures"]
