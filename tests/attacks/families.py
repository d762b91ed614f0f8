"""Importing this registers every attack."""

from tests.attacks import (
    bombs,
    containers,
    contents,
    deltas,
    json_text,
    local,
    lockfiles,
    names,
    paths,
    signatures,
    volumes,
    wheels,
)

__all__ = [
    "bombs",
    "containers",
    "contents",
    "deltas",
    "json_text",
    "local",
    "lockfiles",
    "names",
    "paths",
    "signatures",
    "volumes",
    "wheels",
]
