"""Something to be audited: a few wheels, files and configuration, installed at a site of their own."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from airlock.airgapped.audit import Auditing, audit_bundle, audit_generation
from airlock.airgapped.audit.native import Machine
from airlock.airgapped.host import Host
from airlock.airgapped.install import Choices, install
from airlock.airgapped.site import Site
from airlock.core.reporter import Silent
from airlock.core.target import Target
from airlock.formats.exceptions import Exempted
from airlock.formats.findings import Baseline, Finding
from airlock.formats.rules import Severity
from airlock.kinds.registry import kind_named
from tests.far.bundles import (
    PYTHON,
    TARGET,
    WORLD,
    Item,
    Trust,
    bundle,
    fake_host,
    file_item,
    site_at,
    wheel_item,
)
from tests.wheel_factory import make_wheel

TRUST = Trust.new()
SITE_PACKAGES = f"lib/python{PYTHON}/site-packages"
BASE = Machine(library=lambda name: f"/usr/lib/{name}", is_folder=lambda path: path.startswith("/usr/"))
"""A machine that has every library."""


@dataclass(kw_only=True)
class Plant:
    """The project is `gateway`, so that a wheel of that name is its own code."""

    folder: Path
    items: list[Item] = field(default_factory=list)
    exceptions: tuple[Exempted, ...] = ()
    target: Target = TARGET

    def wheel(
        self,
        name: str,
        files: Mapping[str, str] | Mapping[str, bytes] | Mapping[str, str | bytes],
        *,
        requires: Iterable[str] = (),
        extras: Iterable[str] = (),
        entry_points: str = "",
    ) -> None:
        contents = {path: text.encode() if isinstance(text, str) else text for path, text in files.items()}
        made = make_wheel(
            name, "1.0", requires=requires, extras=extras, files=contents, entry_points=entry_points
        )
        item = wheel_item(name, "1.0", made.data)
        self.items.append(Item(replace(item.artifact, file=made.file), item.data))

    def own(self, **modules: str) -> None:
        """The project's own wheel, a package with these modules."""
        files = {f"gateway/{name}.py": text for name, text in modules.items()}
        self.wheel("gateway", {"gateway/__init__.py": ""} | files)

    def config(self, path: str, text: str) -> None:
        item = file_item(path, text.encode())
        self.items.append(Item(replace(item.artifact, kind="config"), item.data))

    def file(self, path: str, data: bytes, mode: str = "0644") -> None:
        self.items.append(file_item(path, data, mode))

    def site(self) -> Site:
        """Installed once."""
        site = site_at(self.folder / "site")
        if not site.numbers():
            install(TRUST.verified(self.bundle()), site, Choices(kinds=kind_named, host=self._host), WORLD)
        return site

    def _host(self, root: Path, target: Target, python: str | None, environment: Mapping[str, str]) -> Host:
        return replace(fake_host(root, target, python, environment), platforms=(target.platform,))

    @property
    def current(self) -> Path:
        return self.site().path("generations/1")

    @property
    def packages(self) -> Path:
        return self.current / SITE_PACKAGES

    def audit(
        self,
        machine: Machine = BASE,
        environment: Mapping[str, str] | None = None,
        baseline: Baseline | None = None,
    ) -> "Findings":
        site = self.site()
        generation = site.current_generation()
        assert generation is not None
        auditing = Auditing(
            kinds=kind_named,
            reporter=Silent(),
            machine=machine,
            environment=environment or {},
            baseline=baseline or Baseline(),
        )
        return Findings(audit_generation(site, generation, auditing))

    def audit_before_it_ships(self) -> "Findings":
        verified = TRUST.verified(self.bundle())
        auditing = Auditing(kinds=kind_named, reporter=Silent())
        return Findings(audit_bundle(verified.index, verified.contents(None), auditing))

    def bundle(self) -> bytes:
        return bundle(self.items, target=self.target, exceptions=self.exceptions)


class Findings:
    """What an audit came to, to be asked."""

    def __init__(self, findings: tuple[Finding, ...]) -> None:
        self.all = findings

    def one(self, rule: str, name: str | None = None) -> Finding:
        """The only finding of that rule, about that."""
        found = [one for one in self.all if one.rule == rule and name in (None, one.name)]
        assert len(found) == 1, f"{rule} {name}: {[(one.rule, one.name, one.path) for one in self.all]}"
        return found[0]

    def of(self, rule: str) -> list[Finding]:
        return [one for one in self.all if one.rule == rule]

    def grave(self, least: Severity = "warning") -> list[Finding]:
        kept = ("error",) if least == "error" else ("error", "warning")
        return [one for one in self.all if one.severity in kept and one.standing == "open"]
