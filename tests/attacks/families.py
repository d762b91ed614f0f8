"""Importing this registers every attack."""

from tests.attacks import (
    approvals,
    bombs,
    containers,
    contents,
    deltas,
    json_text,
    local,
    lockfiles,
    names,
    paths,
    rotation,
    signatures,
    volumes,
    wheels,
)

__all__ = [
    "approvals",
    "bombs",
    "containers",
    "contents",
    "deltas",
    "json_text",
    "local",
    "lockfiles",
    "names",
    "paths",
    "rotation",
    "signatures",
    "volumes",
    "wheels",
]
