"""Importing this registers every attack."""

from tests.attacks import (
    approvals,
    bombs,
    collecting,
    containers,
    contents,
    deltas,
    journals,
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
    "collecting",
    "containers",
    "contents",
    "deltas",
    "journals",
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
