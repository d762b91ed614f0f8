"""`[documents]` of a manifest and a lock: what a bundle carries for people and their tools, and what makes it.

A library's output is the library's to change, so the lock pins the releases that make documents, as it pins the encoder of frames.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from airlock.core.fields import Fields
from airlock.formats.rows import plain_text

SBOMS = ("cyclonedx", "spdx")
"""Forms of a bill of materials, sorted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PinnedDocuments:
    sbom: tuple[str, ...]
    """Of SBOMS, sorted."""
    tools: Mapping[str, str]
    """Distributions and their versions, sorted by name."""


def read_forms(fields: Fields) -> tuple[str, ...]:
    """`[documents]` of a manifest; empty where it is not there."""
    forms = fields.texts("sbom", ())
    fields.done()
    return _checked(fields, forms)


def _checked(fields: Fields, forms: tuple[str, ...]) -> tuple[str, ...]:
    for number, form in enumerate(forms):
        if form not in SBOMS:
            raise fields.fault(f"sbom[{number}]", f"expected one of {', '.join(SBOMS)}, found {form!r}")
    if len(set(forms)) != len(forms):
        raise fields.fault("sbom", "a form stands twice")
    return tuple(sorted(forms))


def read_documents(fields: Fields) -> PinnedDocuments:
    """As a lock has it."""
    forms, tools = fields.texts("sbom"), fields.table("tools")
    pinned = PinnedDocuments(
        sbom=_checked(fields, forms),
        tools={name: tools.parsed(name, plain_text) for name in sorted(tools.items())},
    )
    fields.done()
    if not forms or tuple(forms) != pinned.sbom or not pinned.tools:
        raise fields.fault("sbom", "expected at least one form, sorted, and the tools that write it")
    return pinned


def write_documents(pinned: PinnedDocuments) -> dict[str, Any]:
    return {"sbom": list(pinned.sbom), "tools": dict(sorted(pinned.tools.items()))}
