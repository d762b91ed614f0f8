"""Wheels as a simple repository: PEP 503 and PEP 691, with PEP 658 metadata beside each file."""

import html
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import quote

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import Version

from airlock.core.artifact import Artifact
from airlock.core.digest import hex_of
from airlock.core.paths import SafePath
from airlock.kinds.serving import Choice, Document, Holding, Moved, Offer, Original, Placed
from airlock.kinds.wheel.metadata import headers_of

ROOT = "/simple/"
PACKAGES = "/packages/"
_API = "1.1"
_JSON = f"application/vnd.pypi.simple.v{_API[0]}+json"
_HTML = f"application/vnd.pypi.simple.v{_API[0]}+html"
_WHEEL = "application/zip"
_METADATA = "text/plain; charset=utf-8"


@dataclass(frozen=True, slots=True, kw_only=True)
class _File:
    """One row of a project's page. `metadata` is the file that its dist-info has on the disk."""

    artifact: Artifact
    requires_python: str
    metadata: Placed | None

    @property
    def path(self) -> str:
        return f"{PACKAGES}{hex_of(self.artifact.digest)}/{self.artifact.file}"

    @property
    def address(self) -> str:
        """Relative to the page of the project."""
        return f"../..{quote(self.path)}"


def served(holdings: Sequence[Holding]) -> Mapping[str, Offer]:
    """The pages of every project, and the wheels that they name."""
    projects: dict[str, list[_File]] = {}
    for holding in holdings:
        if holding.restorable:
            projects.setdefault(holding.artifact.name, []).append(_file(holding))
    offers = {
        ROOT: Offer(body=_list_of(sorted(projects))),
        ROOT.rstrip("/"): Offer(body=Moved(location="simple/")),
    }
    for name, files in projects.items():
        ordered = sorted(files, key=lambda file: (Version(file.artifact.version), file.path))
        offers[f"{ROOT}{name}/"] = Offer(body=_project(name, ordered))
        offers[f"{ROOT}{name}"] = Offer(body=Moved(location=f"{name}/"))
        offers.update(_downloads(ordered))
    return offers


def _file(holding: Holding) -> _File:
    metadata = next(_metadata(holding), None)
    requires = _requires_python(holding.read(metadata)) if metadata else ""
    return _File(artifact=holding.artifact, requires_python=requires, metadata=metadata)


def _metadata(holding: Holding) -> Iterator[Placed]:
    for path, placed in holding.files.items():
        if path.endswith(".dist-info/METADATA") and _is_site_packages(path):
            yield placed


def _is_site_packages(path: SafePath) -> bool:
    """Not a file of that name which the wheel brings somewhere deeper."""
    return path.rsplit("/", 2)[0].endswith("/site-packages")


def _requires_python(metadata: bytes) -> str:
    """What is no specifier is left out: a client that reads it would leave the file out."""
    try:
        return str(SpecifierSet(headers_of(metadata).requires_python))
    except InvalidSpecifier:
        return ""


def _downloads(files: Sequence[_File]) -> Iterator[tuple[str, Offer]]:
    for file in files:
        yield file.path, Offer(body=Original(artifact=file.artifact, media=_WHEEL))
        if file.metadata:
            entry = Placed(path=file.metadata.path, entry=file.metadata.entry, media=_METADATA)
            yield f"{file.path}.metadata", Offer(body=entry)


def _list_of(names: Sequence[str]) -> Choice:
    document = {"meta": {"api-version": _API}, "projects": [{"name": name} for name in names]}
    return _both(document, "Simple index", [f'<a href="{name}/">{name}</a><br>' for name in names])


def _project(name: str, files: Sequence[_File]) -> Choice:
    versions = sorted({file.artifact.version for file in files}, key=Version)
    document = {
        "meta": {"api-version": _API},
        "name": name,
        "versions": versions,
        "files": [_row(file) for file in files],
    }
    return _both(document, f"Links for {name}", [_anchor(file) for file in files])


def _row(file: _File) -> dict[str, object]:
    row: dict[str, object] = {
        "filename": file.artifact.file,
        "url": file.address,
        "size": file.artifact.size,
        "hashes": {"sha256": hex_of(file.artifact.digest)},
    }
    if file.requires_python:
        row["requires-python"] = file.requires_python
    if file.metadata:
        row["core-metadata"] = {"sha256": hex_of(file.metadata.entry.digest)}
    return row


def _anchor(file: _File) -> str:
    attributes = {"href": f"{file.address}#sha256={hex_of(file.artifact.digest)}"}
    if file.requires_python:
        attributes["data-requires-python"] = file.requires_python
    if file.metadata:
        hashed = f"sha256={hex_of(file.metadata.entry.digest)}"
        attributes |= {"data-core-metadata": hashed, "data-dist-info-metadata": hashed}
    written = " ".join(f'{name}="{html.escape(value)}"' for name, value in attributes.items())
    return f"<a {written}>{html.escape(file.artifact.file)}</a><br>"


def _both(document: Mapping[str, object], title: str, lines: Sequence[str]) -> Choice:
    page = "\n".join(
        [
            "<!DOCTYPE html>",
            f'<html><head><meta charset="utf-8"><meta name="pypi:repository-version" content="{_API}">',
            f"<title>{html.escape(title)}</title></head><body>",
            *lines,
            "</body></html>",
            "",
        ]
    ).encode()
    data = json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode()
    return Choice(
        documents=(
            Document(data=data, media=_JSON),
            Document(data=page, media=_HTML),
            Document(data=page, media="text/html; charset=utf-8"),
        )
    )
