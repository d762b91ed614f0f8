"""What `push` and `pull` share: `oci://REGISTRY/REPOSITORY:TAG`, and the way there."""

import argparse
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airlock.oci.reference import Location, Reference

SCHEME = "oci://"
SPELLED = f"{SCHEME}REGISTRY/REPOSITORY:TAG"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    reference: "Reference"
    location: "Location"

    @property
    def name(self) -> str:
        return f"{self.reference.registry}/{self.reference.repository}"


def add_place(parser: argparse.ArgumentParser, help: str) -> None:
    parser.add_argument("place", metavar=SPELLED, help=help)
    parser.add_argument(
        "--plain-http", action="store_true", help="without TLS, as it is by default on the loopback"
    )


def place_of(arguments: argparse.Namespace) -> Place:
    """Raises UsageError."""
    from airlock.errors import UsageError
    from airlock.oci.reference import locate, parse_reference

    text: str = arguments.place
    if not text.startswith(SCHEME):
        hint = f"did you mean {SCHEME}{text}?" if "/" in text else None
        raise UsageError(repr(text[:120]), "not a place in a registry", expected=f"as {SPELLED}", hint=hint)
    try:
        reference = parse_reference(text.removeprefix(SCHEME))
    except ValueError as error:
        raise UsageError(repr(text[:120]), str(error)) from error
    declared = f"http://{reference.registry}" if arguments.plain_http else None
    return Place(reference=reference, location=locate(reference.registry, reference.repository, declared))
