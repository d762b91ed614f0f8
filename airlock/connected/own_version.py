"""The version stands twice where the manifest builds the project's own tree: once for the release, once for the wheel."""

import tomllib
from collections.abc import Mapping
from pathlib import Path

from packaging.version import InvalidVersion, Version

from airlock.formats.manifest import Manifest


def differing_version(manifest: Manifest, directory: Path) -> str | None:
    """What to warn of where `pyproject.toml` of the project's own tree has another version than the manifest. What cannot be
    read, or is dynamic, is left to whoever builds it."""
    section = manifest.sections.get("python")
    source = section.get("source") if isinstance(section, Mapping) else None
    if not isinstance(source, str):
        return None
    try:
        text = (directory / source / "pyproject.toml").read_text("utf-8")
        found = str(tomllib.loads(text)["project"]["version"])
        same = Version(found) == Version(manifest.project.version)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, KeyError, TypeError, InvalidVersion):
        return None
    if same:
        return None
    return f"the manifest is of version {manifest.project.version}, and pyproject.toml of the project's own tree of {found}"
