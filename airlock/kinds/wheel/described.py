"""A wheel's licence and summary (core metadata; PEP 639), and its package URL."""

from collections.abc import Sequence

from packaging.metadata import RawMetadata, parse_email
from packaging.utils import canonicalize_name

from airlock.core.artifact import Artifact
from airlock.core.plain import plain
from airlock.kinds import Library
from airlock.kinds.described import Description
from airlock.kinds.wheel.locked import metadata_inside
from airlock.kinds.wheel.remote import metadata_in

_LICENSE = "License :: "
_APPROVED = "OSI Approved"
_LONGEST = 200
"""Characters of a line; a `License` may be the whole text of one."""


def described(artifact: Artifact, library: Library) -> Description:
    if library.contents is not None:
        data = metadata_inside(artifact, library)
    else:
        with library.store.open(artifact.digest, artifact.label) as stream:
            data = metadata_in(stream, artifact.file)
    raw, _ = parse_email(data)
    expression = _line(raw.get("license_expression"))
    return Description(
        license=expression or _classified(raw.get("classifiers", [])) or _stated(raw),
        expression=bool(expression),
        summary=_line(raw.get("summary")),
        identifier=f"pkg:pypi/{canonicalize_name(artifact.name)}@{artifact.version}",
    )


def _classified(classifiers: Sequence[str]) -> str:
    """By trove classifiers, where there is no expression."""
    found = [one.removeprefix(_LICENSE).split(" :: ") for one in classifiers if one.startswith(_LICENSE)]
    names = dict.fromkeys(_line(parts[-1]) for parts in found if parts[-1] != _APPROVED)
    return " / ".join(names)


def _stated(raw: RawMetadata) -> str:
    text = (raw.get("license") or "").strip()
    return _line(text) if "\n" not in text else ""


def _line(text: str | None) -> str:
    shown = plain((text or "").strip())
    return shown if len(shown) <= _LONGEST else shown[: _LONGEST - 1] + "…"
