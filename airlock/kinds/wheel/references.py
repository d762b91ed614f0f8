"""Direct references (PEP 508, `NAME @ WHERE`): an address, a git repository at a revision, a path beside the manifest."""

import re
from dataclasses import dataclass
from pathlib import PurePosixPath
from urllib.parse import parse_qsl, unquote, urlsplit, urlunsplit

from packaging.requirements import Requirement
from packaging.utils import NormalizedName, canonicalize_name

from airlock.core.digest import Digest, parse_digest
from airlock.errors import IntegrityError

GIT = ("git+https", "git+http", "git+ssh", "git+file")
ARCHIVES = (".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".zip")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """`way` is `url`, `git` or `path`; `place` the address without fragment, or the path."""

    requirement: Requirement
    way: str
    place: str
    digest: Digest | None
    """What the file has to be; only of a url or path to a file."""
    revision: str
    """A branch, tag or commit; empty for what the repository shows first."""
    subdirectory: str

    @property
    def name(self) -> NormalizedName:
        return canonicalize_name(self.requirement.name)

    @property
    def file(self) -> str:
        """The file name that the place ends in."""
        path = urlsplit(self.place).path if self.way == "url" else self.place
        return unquote(path.rstrip("/").rpartition("/")[2])

    @property
    def is_wheel(self) -> bool:
        return self.way != "git" and self.file.endswith(".whl")

    @property
    def label(self) -> str:
        """How messages name it: without the host, and so without what may stand before it."""
        return f"{self.name} @ {self.way}"


def parse_reference(requirement: Requirement) -> Reference:
    """Raises ValueError that says what is wrong."""
    url = requirement.url or ""
    scheme = urlsplit(url).scheme.lower()
    if scheme in GIT:
        return _git(requirement, url)
    if scheme in ("http", "https"):
        return _url(requirement, url)
    if scheme in ("", "file"):
        return _path(requirement, url)
    known = "https://, git+https://, git+ssh:// or a path"
    raise ValueError(f"{scheme}: is not supported, expected {known}")


def _git(requirement: Requirement, url: str) -> Reference:
    parts = urlsplit(url)
    fragment = _fragment(parts.fragment, ("subdirectory", "egg"))
    path, _, revision = parts.path.partition("@")
    if revision.startswith("-") or re.search(r"[\s\\^~:?*\[]", revision):
        raise ValueError(f"not a branch, tag or commit: {revision!r}")
    place = urlunsplit(parts._replace(scheme=parts.scheme.removeprefix("git+"), path=path, fragment=""))
    return Reference(
        requirement=requirement,
        way="git",
        place=place,
        digest=None,
        revision=revision,
        subdirectory=_subdirectory(fragment.get("subdirectory", "")),
    )


def _url(requirement: Requirement, url: str) -> Reference:
    parts = urlsplit(url)
    fragment = _fragment(parts.fragment, ("sha256", "egg", "subdirectory"))
    found = Reference(
        requirement=requirement,
        way="url",
        place=urlunsplit(parts._replace(fragment="")),
        digest=_digest(fragment.get("sha256")),
        revision="",
        subdirectory=_subdirectory(fragment.get("subdirectory", "")),
    )
    if not found.file.endswith((".whl", *ARCHIVES)):
        raise ValueError("the address of a wheel (.whl) or a source archive (.tar.gz, .zip) is expected")
    return _checked(found)


def _path(requirement: Requirement, url: str) -> Reference:
    parts = urlsplit(url)
    fragment = _fragment(parts.fragment, ("sha256", "subdirectory"))
    path = unquote(parts.path)
    if parts.netloc or not path or PurePosixPath(path).is_absolute():
        raise ValueError("a path is relative to the manifest, so that it means the same on every machine")
    found = Reference(
        requirement=requirement,
        way="path",
        place=str(PurePosixPath(path)),
        digest=_digest(fragment.get("sha256")),
        revision="",
        subdirectory=_subdirectory(fragment.get("subdirectory", "")),
    )
    return _checked(found)


def _checked(reference: Reference) -> Reference:
    if reference.subdirectory and not reference.file.endswith(ARCHIVES):
        raise ValueError("#subdirectory= is of source archives and git repositories alone")
    return reference


def _fragment(text: str, known: tuple[str, ...]) -> dict[str, str]:
    found = dict(parse_qsl(text, keep_blank_values=True))
    if foreign := sorted(found.keys() - set(known)):
        raise ValueError(f"#{foreign[0]}= is not supported here, expected one of {', '.join(known)}")
    return found


def _digest(text: str | None) -> Digest | None:
    if text is None:
        return None
    try:
        return parse_digest(f"sha256:{text.lower()}")
    except IntegrityError as error:
        raise ValueError("#sha256= has 64 hexadecimal digits") from error


def _subdirectory(text: str) -> str:
    path = PurePosixPath(text or ".")
    if path.is_absolute() or ".." in path.parts:
        raise ValueError(f"#subdirectory= leads out of the archive: {text!r}")
    return "" if str(path) == "." else str(path)
