"""Pins in the words of other installers: a pylock.toml (PEP 751), or a requirements file with hashes."""

from collections.abc import Iterable
from urllib.parse import urlsplit, urlunsplit

import tomlkit
from packaging.markers import Marker
from packaging.pylock import Package, PackageWheel, Pylock
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

from airlock.core.artifact import Artifact
from airlock.core.digest import hex_of
from airlock.core.target import Target
from airlock.errors import UsageError
from airlock.kinds import Export, Library, Locked
from airlock.kinds.wheel.obtain import located

KIND = "wheel"
_HEAD = "# Written by `airlock export`, for Python {python} on {platform}.\n"


def exported(locked: Locked, target: Target, export: Export, library: Library) -> bytes:
    """See `Packages.exported`."""
    artifacts = [one for one in locked.lockfile.artifacts_for(target.name) if one.kind == KIND]
    if export.folder is None:
        artifacts = _public(artifacts, export, library)
    if export.form == "requirements":
        return _requirements(artifacts, target, export).encode()
    return _pylock(artifacts, locked, target, export, library).encode()


def _public(artifacts: Iterable[Artifact], export: Export, library: Library) -> list[Artifact]:
    """Those that an index has. The project itself is on none, and what was built here neither."""
    kept = []
    for artifact in artifacts:
        if "index" in artifact.origin and "sdist" not in artifact.origin:
            kept.append(artifact)
            continue
        if not artifact.origin and export.form == "requirements":
            kept.append(artifact)
            continue
        if not artifact.origin:
            raise UsageError(
                "airlock export",
                "a bundle does not say where its wheels came from",
                hint="give --wheels DIR: they are written there, and the file names them by their paths",
            )
        library.near().reporter.warn(
            f"{artifact.name} {artifact.version} is on no index, and left out: --wheels DIR takes it along"
        )
    return kept


def _requirements(artifacts: Iterable[Artifact], target: Target, export: Export) -> str:
    lines = [_HEAD.format(python=target.python, platform=target.platform)]
    if export.folder is not None:
        lines.append(f"--no-index\n--find-links {export.folder or '.'}\n")
    for artifact in sorted(artifacts, key=lambda one: one.name):
        lines.append(f"{artifact.name}=={artifact.version} \\\n    --hash=sha256:{hex_of(artifact.digest)}\n")
    return "".join(lines)


def _pylock(
    artifacts: Iterable[Artifact], locked: Locked, target: Target, export: Export, library: Library
) -> str:
    """Checked by packaging's own reader before it is given away."""
    document = Pylock(
        lock_version=Version("1.0"),
        environments=[_environment(target)],
        requires_python=SpecifierSet(f">={target.python}"),
        extras=[],
        dependency_groups=[],
        default_groups=[],
        created_by="airlock",
        packages=[
            _package(artifact, locked, export, library)
            for artifact in sorted(artifacts, key=lambda one: one.name)
        ],
    )
    found = document.to_dict()
    Pylock.from_dict(found)
    return _HEAD.format(python=target.python, platform=target.platform) + tomlkit.dumps(found)


def _environment(target: Target) -> Marker:
    """What markers can say of a target; the C library's version is not among it."""
    environment = target.environment()
    names = ("implementation_name", "platform_machine", "python_version", "sys_platform")
    return Marker(" and ".join(f"{name} == '{environment[name]}'" for name in names))


def _package(artifact: Artifact, locked: Locked, export: Export, library: Library) -> Package:
    url, path, index = None, None, None
    if export.folder is not None:
        path = f"{export.folder}/{artifact.file}" if export.folder else artifact.file
    else:
        url, index = located(artifact, locked.manifest, library.near())
    wheel = PackageWheel(
        name=artifact.file,
        url=_public_url(url),
        path=path,
        size=artifact.size,
        hashes={"sha256": hex_of(artifact.digest)},
    )
    return Package(
        name=canonicalize_name(artifact.name),
        version=Version(artifact.version),
        index=_public_url(index),
        wheels=[wheel],
    )


def _public_url(url: str | None) -> str | None:
    """Without a password: the file is made to be handed on."""
    if url is None:
        return None
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
