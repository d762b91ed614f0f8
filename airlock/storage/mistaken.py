"""What a file is that was given in the place of a bundle, as far as its first bytes tell."""

from airlock.formats.kit import FIRST

_ROOT = "a trust root; it is given with --trust or --require-approval, beside a bundle or delta"
_KNOWN = (
    (b"# Written by `airlock lock`", "a lockfile; `airlock build` makes bundles of it"),
    (b"PK\x03\x04", "a zip or a wheel; `airlock build` packs what the lock names into a bundle"),
    (b"\x1f\x8b", "compressed with gzip; a bundle is not: unpack it first"),
    (b"\x28\xb5\x2f\xfd", "compressed with zstd; a bundle is not: unpack it first"),
    (b"-----BEGIN ", "a key or a certificate"),
    (FIRST, "a kit; it is run with `sh`, and what it brings is read by `airlock verify` and `install`"),
)
_INSIDE = (
    (b'"format":"airlock-journal/', "a journal; `airlock history --journal` shows it"),
    (b'"_type":"root"', _ROOT),
    (b"[project]", "a manifest; `airlock lock` and `airlock build` make a bundle of it"),
)
LOOKED_AT = 4096
"""Bytes."""


def mistaken_for(start: bytes) -> str | None:
    """What it is, and what to do with it; None where nothing is known of it."""
    for prefix, what in _KNOWN:
        if start.startswith(prefix):
            return what
    if start[:1] in (b"{", b"[", b"#"):
        return next((what for part, what in _INSIDE if part in start), None)
    return None
