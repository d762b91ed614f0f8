"""Where this machine's apt has its archives: `sources.list` in both its forms (sources.list(5)), as apt-config(8) says where
they lie. Asked only where the manifest names no archive of its own."""

import re
import shlex
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from airlock.errors import FetchError, IntegrityError
from airlock.kinds.deb.control import blocks, stanza

_ASKED = {
    "LIST": "Dir::Etc::sourcelist/f",
    "PARTS": "Dir::Etc::sourceparts/d",
    "TRUSTED": "Dir::Etc::trusted/f",
    "TRUSTED_PARTS": "Dir::Etc::trustedparts/d",
}
_ONE_LINE = re.compile(r"deb\s+(?:\[([^\]]*)\]\s+)?(\S+)\s+(\S+)((?:\s+[^\s#]+)*)\s*(?:#.*)?", re.ASCII)
_FINGERPRINT = re.compile(r"[0-9A-Fa-f]{40}!?")
_HINT = "name an archive: an [[index]] with explicit = true, and archive = its name"


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One archive and suite that apt knows."""

    url: str
    suite: str
    components: tuple[str, ...]
    signed_by: str
    """Paths, fingerprints or keys; empty where apt takes any key that it trusts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AptSources:
    sources: tuple[Source, ...]
    trusted: tuple[Path, ...]
    """Keyrings that count where a source names none."""

    def of(self, suite: str, component: str) -> Source:
        """The first that apt would ask. Raises FetchError."""
        for source in self.sources:
            if source.suite == suite and (component in source.components or suite.endswith("/")):
                return source
        known = sorted({source.suite for source in self.sources})
        raise FetchError(
            "apt",
            f"has no source with the suite {suite!r} and the component {component!r}",
            found=f"the suites {', '.join(known)}" if known else "no source",
            hint=_HINT,
        )


def apt_sources() -> AptSources:
    """Raises FetchError where there is no apt."""
    places = _places()
    files = [places["LIST"], *_listed(places["PARTS"], ("*.list", "*.sources"))]
    keyrings = [places["TRUSTED"], *_listed(places["TRUSTED_PARTS"], ("*.gpg", "*.asc"))]
    return AptSources(
        sources=tuple(source for file in files if file.is_file() for source in read_sources(file)),
        trusted=tuple(file for file in keyrings if file.is_file()),
    )


def _places() -> Mapping[str, Path]:
    command = ["apt-config", "shell", *(word for pair in _ASKED.items() for word in pair)]
    try:
        ran = subprocess.run(command, capture_output=True, timeout=60, check=True)
    except (OSError, subprocess.SubprocessError) as error:
        raise FetchError("apt", "could not be asked for its archives", hint=_HINT) from error
    words = (word.partition("=") for word in shlex.split(ran.stdout.decode("utf-8", "replace")))
    found = {name: Path(value) for name, _, value in words}
    return {name: found.get(name, Path("/nonexistent")) for name in _ASKED}


def _listed(folder: Path, patterns: tuple[str, ...]) -> list[Path]:
    if not folder.is_dir():
        return []
    return sorted(path for pattern in patterns for path in folder.glob(pattern))


def read_sources(file: Path) -> Iterator[Source]:
    """Of one file of apt's, in the form that its name says."""
    text = file.read_text("utf-8", "replace")
    if file.suffix == ".sources":
        for block in blocks(text):
            if any(not line.startswith("#") for line in block.split("\n")):
                yield from _of_stanza(stanza(block, str(file)))
        return
    for line in text.splitlines():
        if match := _ONE_LINE.fullmatch(line.strip()):
            options = dict(option.partition("=")[::2] for option in (match[1] or "").split())
            signed_by = options.get("signed-by", "").replace(",", "\n")
            yield Source(
                url=match[2], suite=match[3], components=tuple(match[4].split()), signed_by=signed_by
            )


def _of_stanza(fields: Mapping[str, str]) -> Iterator[Source]:
    if "deb" not in fields.get("types", "").split() or fields.get("enabled", "yes").lower() in (
        "no",
        "false",
    ):
        return
    for url in fields.get("uris", "").split():
        for suite in fields.get("suites", "").split():
            components = tuple(fields.get("components", "").split())
            yield Source(url=url, suite=suite, components=components, signed_by=fields.get("signed-by", ""))


@dataclass(frozen=True, slots=True, kw_only=True)
class Trust:
    """What may sign for an archive."""

    keyrings: tuple[bytes, ...]
    signers: frozenset[str] = frozenset()
    """Fingerprints; any key of the keyrings where there are none."""


def trust_of(source: Source, apt: AptSources) -> Trust:
    """Raises FetchError or IntegrityError."""
    if "-----BEGIN" in source.signed_by:
        # An empty line of a key is written as a dot (deb822(5)).
        lines = (line.strip() for line in source.signed_by.split("\n"))
        return Trust(keyrings=("\n".join("" if line == "." else line for line in lines).strip().encode(),))
    words = source.signed_by.split()
    paths = [Path(word) for word in words if word.startswith("/")]
    signers = frozenset(word.rstrip("!").upper() for word in words if _FINGERPRINT.fullmatch(word))
    if len(paths) + len([word for word in words if _FINGERPRINT.fullmatch(word)]) != len(words):
        raise IntegrityError(f"apt: {source.suite}", "a Signed-By that is not understood", found=words[0])
    try:
        keyrings = tuple(path.read_bytes() for path in (paths or apt.trusted))
    except OSError as error:
        raise FetchError(f"apt: {source.suite}", f"its keyring cannot be read, {error}") from error
    if not keyrings:
        raise FetchError(f"apt: {source.suite}", "apt trusts no key for it", hint="name it with `keyring`")
    return Trust(keyrings=keyrings, signers=signers)
