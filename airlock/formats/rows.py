"""The parts that lockfile, index and delta index have in common, read from and written to plain tables."""

import unicodedata
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from packaging.utils import canonicalize_name, is_normalized_name
from packaging.version import InvalidVersion, Version

from airlock.core.artifact import Activation, Artifact, Encoder, HealthCheck, Project
from airlock.core.codecs import SETS
from airlock.core.digest import hex_of, parse_digest
from airlock.core.fields import Fields
from airlock.core.paths import TURNING, safe_path
from airlock.core.target import Target

MAX_ARTIFACT = 1 << 40
"""Bytes; no artifact may declare more."""


def read_project(fields: Fields) -> Project:
    project = Project(name=fields.parsed("name", _name), version=fields.parsed("version", _version))
    fields.done()
    return project


def _name(text: str, place: str) -> str:
    """Names become parts of file names, so they have one spelling and no separators."""
    if not is_normalized_name(text):
        raise ValueError(
            f"expected lower case letters, digits and single dashes, as {canonicalize_name(text)!r}, found {text!r}"
        )
    return text


def _version(text: str, place: str) -> str:
    try:
        normalised = str(Version(text))
    except InvalidVersion as error:
        raise ValueError(f"not a PEP 440 version: {text!r}") from error
    if normalised != text:
        raise ValueError(f"expected the normalised version {normalised!r}, found {text!r}")
    return text


def write_project(project: Project) -> dict[str, Any]:
    return {"name": project.name, "version": project.version}


def read_target(fields: Fields) -> Target:
    """The keys that name a target; the caller asks for its own and calls `done`."""
    name = fields.parsed("name", _name)
    prefix = fields.parsed("prefix", plain_text) if "prefix" in fields else ""
    python, platform = fields.text("python"), fields.text("platform")
    exact = fields.table("markers")
    markers = tuple((key, exact.parsed(key, plain_text)) for key in sorted(exact.items()))
    try:
        return Target(name=name, python=python, platform=platform, prefix=prefix, markers=markers)
    except ValueError as error:
        raise fields.fault("", str(error)) from error


def write_target(target: Target) -> dict[str, Any]:
    table: dict[str, Any] = {"name": target.name, "python": target.python, "platform": target.platform}
    table |= {"prefix": target.prefix} if target.prefix else {}
    return table | ({"markers": target.exact} if target.markers else {})


def read_encoder(fields: Fields) -> Encoder:
    encoder = Encoder(
        name=fields.text("name"),
        version=fields.parsed("version", plain_text),
        level=fields.integer("level", limit=22),
        codecs=fields.text("codecs"),
    )
    if encoder.codecs not in SETS:
        raise fields.fault("codecs", f"expected one of {', '.join(SETS)}, found {encoder.codecs!r}")
    if encoder.name != "zstd":
        raise fields.fault("name", f"expected 'zstd', found {encoder.name!r}")
    fields.done()
    return encoder


def write_encoder(encoder: Encoder) -> dict[str, Any]:
    return {
        "name": encoder.name,
        "version": encoder.version,
        "level": encoder.level,
        "codecs": encoder.codecs,
    }


def read_health(fields: Fields) -> HealthCheck:
    check = HealthCheck(command=_command(fields, "command"), timeout=_timeout(fields, 60))
    fields.done()
    return check


def _command(fields: Fields, key: str) -> tuple[str, ...]:
    command = fields.texts(key)
    if not command:
        raise fields.fault(key, "expected a program and its arguments, found nothing")
    if any("\0" in argument for argument in command):
        raise fields.fault(key, "holds a NUL, with which nothing can be started")
    return command


def _timeout(fields: Fields, default: int | None = None) -> int:
    return fields.integer("timeout", default, limit=86_400)


def write_health(check: HealthCheck) -> dict[str, Any]:
    return {"command": list(check.command), "timeout": check.timeout}


def read_activation(fields: Fields) -> Activation:
    activation = Activation(
        artifact=fields.parsed("artifact", plain_text),
        command=_command(fields, "command"),
        check=_command(fields, "check"),
        expected=fields.texts("expected"),
        timeout=_timeout(fields),
    )
    if not activation.expected:
        raise fields.fault("expected", "expected a line to look for, found none")
    fields.done()
    return activation


def write_activation(activation: Activation) -> dict[str, Any]:
    return {
        "artifact": activation.artifact,
        "command": list(activation.command),
        "check": list(activation.check),
        "expected": list(activation.expected),
        "timeout": activation.timeout,
    }


def read_artifact(fields: Fields) -> Artifact:
    """The keys of an artifact; the caller asks for its own and calls `done`."""
    return Artifact(
        kind=fields.parsed("kind", plain_text),
        name=fields.parsed("name", plain_text),
        version=fields.parsed("version", plain_text) if "version" in fields else "",
        file=fields.parsed("file", _file_name),
        size=fields.integer("size", limit=MAX_ARTIFACT),
        digest=fields.parsed("sha256", lambda text, place: parse_digest("sha256:" + text, place)),
        placement=_strings(fields, "placement"),
        origin=_strings(fields, "origin"),
    )


def plain_text(text: str, place: str) -> str:
    """Such words are shown before anything is verified, so there is nothing in them that a terminal would obey."""
    if not text.isascii() and not TURNING.isdisjoint(text):
        raise ValueError(f"holds a character that turns the order of text: {text!a}")
    if any(unicodedata.category(character) == "Cc" for character in text):
        raise ValueError(f"holds a control character: {text!r}")
    return text


def _file_name(text: str, place: str) -> str:
    if "/" in safe_path(text, place):
        raise ValueError(f"expected a file name without directories, found {text!r}")
    return text


def _strings(fields: Fields, key: str) -> Mapping[str, str]:
    table = fields.table(key)
    return MappingProxyType({name: table.text(name) for name in table.items()})


def write_artifact(artifact: Artifact) -> dict[str, Any]:
    table: dict[str, Any] = {"kind": artifact.kind, "name": artifact.name}
    if artifact.version:
        table["version"] = artifact.version
    table |= {"file": artifact.file, "size": artifact.size, "sha256": hex_of(artifact.digest)}
    for key, values in (("placement", artifact.placement), ("origin", artifact.origin)):
        if values:
            table[key] = dict(sorted(values.items()))
    return table
