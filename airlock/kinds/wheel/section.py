"""`[python]` of the manifest."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path, PurePosixPath

from packaging.requirements import Requirement
from packaging.utils import NormalizedName, canonicalize_name, is_normalized_name

from airlock.core.fields import Fields
from airlock.errors import UsageError
from airlock.formats.manifest import Manifest
from airlock.kinds.wheel.amend import (
    Amendment,
    Amendments,
    check_exclude,
    read_amendments,
    read_requirement,
)
from airlock.kinds.wheel.cutoff import read_cooldown
from airlock.kinds.wheel.references import Reference, parse_reference
from airlock.kinds.wheel.rules import (
    IF_NECESSARY,
    PackageRule,
    Rules,
    read_instant,
    read_package_rules,
    read_pattern,
    read_prereleases,
)

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
    constraints: tuple[Amendment, ...] = ()
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
    """Those of the groups too. Sorted by their text, so that the order in the manifest decides nothing."""
    constraints: tuple[Amendment, ...]
    """Sorted; they narrow what is asked for elsewhere and ask for nothing."""
    amendments: Amendments
    exclude_newer: datetime | None
    """Aware; files uploaded later do not exist."""
    cooldown: str | None
    """As `7 days`; how long a file must have been on its index."""
    source: str | None
    """The project's own tree, relative to the manifest."""
    sources: Rules[str]
    """The one index of each package that does not come from any index that has it."""
    packages: Rules[PackageRule]
    prereleases: str = IF_NECESSARY
    attestations: bool = True
    """Whether the identity of publishers is recorded."""
    others: tuple[str, ...] = field(default=(DEFAULT,))
    """The indexes that a package without a rule is looked for on."""
    build: BuildPolicy = NO_BUILDS

    def indexes_of(self, name: NormalizedName) -> tuple[str, ...]:
        """Where to look for a package; no two of them may have it."""
        for index in self.sources.matching(name):
            return (index,)
        return self.others

    def prereleases_of(self, name: NormalizedName) -> str:
        found = (rule.prereleases for rule in self.packages.matching(name))
        return next((policy for policy in found if policy), self.prereleases)

    def cutoff_of(self, name: NormalizedName, general: datetime | None) -> datetime | None:
        """`general` is the cutoff of packages without one of their own."""
        for rule in self.packages.matching(name):
            if rule.any_age:
                return None
            if rule.exclude_newer is not None:
                return rule.exclude_newer
        return general

    def references(self) -> tuple[Reference, ...]:
        """Every direct reference of requirements and overrides."""
        asked = (*self.requirements, *(one.requirement for one in self.amendments.overrides))
        return tuple(parse_reference(one) for one in asked if one.url)


def read_section(manifest: Manifest, where: str) -> PythonSection:
    """Raises UsageError with the place of the fault."""
    fields = Fields(manifest.sections.get(SECTION, {}), where, UsageError, SECTION)
    section = PythonSection(
        requirements=_sorted([*_requirements(fields, "requirements"), *_groups(fields, manifest.directory)]),
        constraints=read_amendments(fields, "constraints", _check_constraint),
        amendments=Amendments(
            overrides=read_amendments(fields, "overrides", _check_reference),
            excludes=read_amendments(fields, "excludes", check_exclude),
        ),
        exclude_newer=read_instant(fields, "exclude-newer"),
        cooldown=read_cooldown(fields),
        source=_source(fields),
        sources=_sources(fields, manifest),
        build=_build(fields.table("build")),
        packages=read_package_rules(fields.table("packages")),
        prereleases=read_prereleases(fields),
        attestations=fields.flag("attestations", True),
        others=_others(manifest),
    )
    fields.done()
    return section


def _requirements(fields: Fields, key: str) -> list[Requirement]:
    return [
        read_requirement(fields, f"{key}[{number}]", text, _check_reference)
        for number, text in enumerate(fields.texts(key, ()))
    ]


def _groups(fields: Fields, directory: Path) -> list[Requirement]:
    names = fields.texts("groups", ())
    if not names:
        return []
    from airlock.kinds.wheel.groups import read_groups

    found = read_groups(directory / "pyproject.toml", names, f"{fields.where}: {fields.path}.groups")
    for requirement in found:
        if problem := _check_reference(requirement):
            raise fields.fault("groups", f"{str(requirement)!r}: {problem}")
    return found


def _sorted(requirements: list[Requirement]) -> tuple[Requirement, ...]:
    by_text = {str(one): one for one in requirements}
    return tuple(sorted(by_text.values(), key=lambda one: (canonicalize_name(one.name), str(one))))


def _check_reference(requirement: Requirement) -> str | None:
    try:
        if requirement.url:
            parse_reference(requirement)
    except ValueError as error:
        return str(error)
    return None


def _check_constraint(requirement: Requirement) -> str | None:
    if requirement.url or requirement.extras:
        return "a constraint has a name and versions, no extras and no URL"
    return None


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
        constraints=read_amendments(fields, "constraints", _check_constraint),
        requires=_tools(fields.table("requires")),
        timeout=fields.integer("timeout", BUILD_TIMEOUT, limit=86_400),
    )
    fields.done()
    return policy


def words(section: PythonSection) -> dict[str, object]:
    """What of the section decides a lock, local files aside, in plain words; what says nothing is left out."""
    amendments = section.amendments
    found: dict[str, object] = {
        "requirements": [str(one) for one in section.requirements],
        "constraints": [str(one.requirement) for one in section.constraints],
        "exclude-newer": section.exclude_newer.isoformat() if section.exclude_newer else "",
        "source": section.source or "",
        "sources": dict(sorted(section.sources.table.items())),
        **build_words(section.build),
    }
    optional: dict[str, object] = {
        "cooldown": section.cooldown,
        "overrides": [one.document() for one in amendments.overrides],
        "excludes": [one.document() for one in amendments.excludes],
        "packages": {pattern: rule.document() for pattern, rule in sorted(section.packages.table.items())},
        "prereleases": "" if section.prereleases == IF_NECESSARY else section.prereleases,
        "attestations": "" if section.attestations else "no",
        "indexes": "" if section.others == (DEFAULT,) else list(section.others),
    }
    return found | {key: value for key, value in optional.items() if value}


def build_words(policy: BuildPolicy) -> dict[str, object]:
    """What of the policy decides a lock, in plain words; nothing where nothing is said."""
    if policy == BuildPolicy(timeout=policy.timeout):
        return {}
    return {
        "build": {
            "packages": sorted(policy.packages),
            "always": sorted(policy.always),
            "constraints": [str(one.requirement) for one in policy.constraints],
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
        tools = _sorted(_requirements(fields, name))
        found[canonicalize_name(name)] = tuple(str(one) for one in tools)
    return found


def _sources(fields: Fields, manifest: Manifest) -> Rules[str]:
    table = fields.table("sources")
    sources: dict[str, str] = {}
    for name in table.items():
        pattern, index = read_pattern(table, name), table.text(name)
        if index != DEFAULT and index not in manifest.indexes:
            known = ", ".join([*manifest.indexes, DEFAULT])
            raise table.fault(name, f"no such index: {index!r}", hint=f"declared as [[index]]: {known}")
        if pattern in sources:
            raise table.fault(name, "stands twice")
        sources[pattern] = index
    return Rules(sources)


def _others(manifest: Manifest) -> tuple[str, ...]:
    names = {DEFAULT, *manifest.indexes} - manifest.explicit
    return tuple(sorted(names, key=lambda name: (name != DEFAULT, name)))
