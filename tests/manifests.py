"""Manifests for tests, from the part that the test is about."""

from pathlib import Path

from airlock.formats.manifest import Manifest, parse_manifest
from airlock.kinds import NearSide, PinRequest, Upgrade

SECTIONS = ("python", "file", "config", "deb", "image")

HEAD = """
[project]
name = "plant-gateway"
version = "2.0.0"
"""

NORTH = """
[[target]]
name = "north"
python = "3.11"
platform = "manylinux_2_28_x86_64"
prefix = "/opt/plant"
values = { site = "north" }
"""

SOUTH = NORTH.replace("north", "south").replace("x86_64", "aarch64")


def manifest_of(text: str) -> Manifest:
    """A manifest with two targets, `north` and `south`, and `text`."""
    return parse_manifest((HEAD + NORTH + SOUTH + text).encode(), "airlock.toml", SECTIONS)


def pin_request(text: str, near: NearSide) -> PinRequest:
    return PinRequest(
        manifest=manifest_of(text), where="airlock.toml", near=near, previous=None, upgrade=Upgrade()
    )


def write(path: Path, data: bytes | str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return path
