"""`[python]` of the manifest."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import PurePosixPath

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import NormalizedName, canonicalize_name, is_normalized_name

from airlock.core.fields import Fields
from airlock.errors import UsageError
from airlock.formats.manifest import Manifest
from airlock.kinds.wheel.cutoff import read_cooldown

SECTION = "python"
BUILD_TIMEOUT = 900
DEFAULT = "default"
"""The name of the index that packages come from when `sources` names no other."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildPolicy:
    """`[python.build]`: whose source distributions may become wheels, which runs their code on this machine."""

    packages: frozenset[NormalizedName] = frozenset()
    """May be built where no wheel fits."""
    always: frozenset[NormalizedName] = frozenset()
    """Are built even where a wheel fits."""
    constraints: tuple[Requirement, ...] = ()
    """Sorted; they narrow the tools of every build."""
    requires: Mapping[NormalizedName, tuple[str, ...]] = field(default_factory=dict)
    """Tools that a package needs and does not name, sorted."""
    timeout: int = BUILD_TIMEOUT
    """Seconds that each hook of a build may take."""

    def allows(self, name: NormalizedName) -> bool:
        return name in self.packages or name in self.always


NO_BUILDS = BuildPolicy()


@dataclass(frozen=True, slots=True, kw_only=True)
class PythonSection:
    requirements: tuple[Requirement, ...]
    """Sorted by their text, so that the order in the manifest decides nothing."""
    constraints: tuple[Requirement, ...]
    """Sorted; they narrow what is asked for elsewhere and ask for nothing."""
    exclude_newer: datetime | None
    """Aware; files uploaded later do not exist."""
    cooldown: str | None
    """As `7 days`; how long a file must have been on its index."""
    source: str | None
    """The project's own tree, relative to the manifest."""
    sources: Mapping[NormalizedName, str]
    """The one index of each package that does not come from `default`."""
    build: BuildPolicy = NO_BUILDS

    def index_of(self, name: NormalizedName) -> str:
        return self.sources.get(name, DEFAULT)


def read_section(manifest: Manifest, where: str) -> PythonSection:
    """Raises UsageError with the place of the fault."""
    fields = Fields(manifest.sections.get(SECTION, {}), where, UsageError, SECTION)
    section = PythonSection(
        requirements=_requirements(fields, "requirements", _check_requirement),
        constraints=_requirements(fields, "constraints", _check_constraint),
        exclude_newer=_exclude_newer(fields),
        cooldown=read_cooldown(fields),
        source=_source(fields),
        sources=_sources(fields, manifest),
        build=_build(fields.table("build")),
    )
    fields.done()
    return section


def _requirements(
    fields: Fields, key: str, check: Callable[[Requirement], str | None]
) -> tuple[Requirement, ...]:
    found = []
    for number, text in enumerate(fields.texts(key, ())):
        try:
            requirement = Requirement(text)
        except InvalidRequirement as error:
            raise fields.fault(
                f"{key}[{number}]", f"not a requirement (PEP 508): {text!r}", hint='as "numpy>=2"'
            ) from error
        if problem := check(requirement):
            raise fields.fault(f"{key}[{number}]", f"{text!r}: {problem}")
        found.append(requirement)
    return tuple(
        sorted(found, key=lambda requirement: (canonicalize_name(requirement.name), str(requirement)))
    )


def _check_requirement(requirement: Requirement) -> str | None:
    return "packages come from an index: a URL is not supported here" if requirement.url else None


def _check_constraint(requirement: Requirement) -> str | None:
    if requirement.url or requirement.extras:
        return "a constraint has a name and versions, no extras and no URL"
    return None


def _exclude_newer(fields: Fields) -> datetime | None:
    value = fields.raw("exclude-newer")
    if value is None:
        return None
    if not isinstance(value, datetime) or value.tzinfo is None:
        raise fields.fault(
            "exclude-newer",
            "expected a date, time and offset",
            hint="as 2026-08-01T00:00:00Z, without quotes",
        )
    return value.astimezone(UTC)


def _source(fields: Fields) -> str | None:
    text = fields.optional_text("source")
    fields.raw("source")
    if text is not None and (not text or PurePosixPath(text).is_absolute()):
        raise fields.fault("source", f"expected a path relative to the manifest, found {text!r}")
    return text


def _build(fields: Fields) -> BuildPolicy:
    policy = BuildPolicy(
        packages=_names(fields, "packages"),
        always=_names(fields, "always"),
        constraints=_requirements(fields, "constraints", _check_constraint),
        requires=_tools(fields.table("requires")),
        timeout=fields.integer("timeout", BUILD_TIMEOUT, limit=86_400),
    )
    fields.done()
    return policy


def build_words(policy: BuildPolicy) -> dict[str, object]:
    """What of the policy decides a lock, in plain words; nothing where nothing is said."""
    if policy == BuildPolicy(timeout=policy.timeout):
        return {}
    return {
        "build": {
            "packages": sorted(policy.packages),
            "always": sorted(policy.always),
            "constraints": [str(one) for one in policy.constraints],
            "requires": {name: list(tools) for name, tools in policy.requires.items()},
        }
    }


def _names(fields: Fields, key: str) -> frozenset[NormalizedName]:
    names = fields.texts(key, ())
    for number, name in enumerate(names):
        if not is_normalized_name(canonicalize_name(name)):
            raise fields.fault(f"{key}[{number}]", f"not the name of a package: {name!r}", hint='as "docopt"')
    return frozenset(canonicalize_name(name) for name in names)


def _tools(fields: Fields) -> dict[NormalizedName, tuple[str, ...]]:
    found: dict[NormalizedName, tuple[str, ...]] = {}
    for name in fields.items():
        tools = _requirements(fields, name, _check_requirement)
        found[canonicalize_name(name)] = tuple(str(one) for one in tools)
    return found


def _sources(fields: Fields, manifest: Manifest) -> dict[NormalizedName, str]:
    table = fields.table("sources")
    sources: dict[NormalizedName, str] = {}
    for name in table.items():
        index = table.text(name)
        if index != DEFAULT and index not in manifest.indexes:
            known = ", ".join([*manifest.indexes, DEFAULT])
            raise table.fault(name, f"no such index: {index!r}", hint=f"declared as [[index]]: {known}")
        if canonicalize_name(name) in sources:
            raise table.fault(name, "stands twice")
        sources[canonicalize_name(name)] = index
    return sources
