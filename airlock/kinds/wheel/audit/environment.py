"""What makes Python look elsewhere than into what was locked: path files, start-up modules, strangers, settings.

Source: the documentation of `site`, PEP 370 (user site), PEP 405 (`pyvenv.cfg`), PEP 376 and the binary distribution format.
"""

import posixpath
import re
from collections.abc import Iterator

from airlock.core.paths import SafePath
from airlock.formats.findings import Details, Finding, found
from airlock.kinds.audited import Audited
from airlock.kinds.wheel.audit.modules import module_name
from airlock.kinds.wheel.audit.wheels import MAX_SMALL, Wheels

_START_UP = ("sitecustomize", "usercustomize")
_DISTRIBUTION = re.compile(r"([^/]+?)(-[^/]*)?\.(dist-info|egg-info|egg-link|egg)")
_VARIABLES = {
    "PYTHONPATH": "Python looks for modules there first",
    "PYTHONHOME": "Python takes its standard library from there",
    "PYTHONUSERBASE": "packages of a user are taken from there",
    "PYTHONSTARTUP": "an interactive Python runs it",
    "PYTHONPLATLIBDIR": "Python looks for its library in another folder",
    "PYTHONPYCACHEPREFIX": "Python takes byte code from there",
}


def environment_findings(audited: Audited, wheels: Wheels) -> Iterator[Finding]:
    yield from _strangers(audited, wheels)
    yield from _path_files(audited, wheels)
    yield from _start_up_modules(audited, wheels)
    yield from _settings(audited)
    for name, meaning in _VARIABLES.items():
        if value := audited.environment.get(name):
            message = f"{name} is set for whoever ran the audit: {meaning}"
            yield found("python/environment", message, name=name, evidence=[f"{name}={value}"])


def _strangers(audited: Audited, wheels: Wheels) -> Iterator[Finding]:
    """Distributions that lie there and were not installed by airlock."""
    told = set()
    for path in audited.added:
        relative = path.removeprefix(wheels.site)
        match = _DISTRIBUTION.fullmatch(relative.partition("/")[0]) if relative != path else None
        if match and match[0] not in told:
            told.add(match[0])
            message = f"the distribution {match[1]} is there, and the lock does not name it"
            yield found(
                "python/distribution-unlocked", message, path=f"{wheels.site}{match[0]}", name=match[1]
            )


def _path_files(audited: Audited, wheels: Wheels) -> Iterator[Finding]:
    for path in (*sorted(audited.tree), *audited.added):
        folder, _, name = path.rpartition("/")
        if f"{folder}/" != wheels.site or not name.endswith(".pth"):
            continue
        label = wheels.owner(path)
        if path not in audited.tree:
            message = "Python reads this path file whenever it starts, and nothing locked has it"
            yield found("python/path-file", message, path=path, name=name)
        yield from _lines(audited, path, label, wheels.site)


def _lines(audited: Audited, path: SafePath, label: str, site: str) -> Iterator[Finding]:
    data = audited.read(path, MAX_SMALL) or b""
    name = path.rpartition("/")[2]
    for number, line in enumerate(data.decode(errors="replace").splitlines(), 1):
        text = line.strip()
        if text.startswith(("import ", "import\t")):
            message = "this line of a path file is run whenever Python starts"
            rule, evidence = "python/path-file-code", [text]
            yield found(rule, message, artifact=label, path=path, line=number, name=name, evidence=evidence)
        elif text and not text.startswith("#") and (where := _leads_out(text, audited.home, site)):
            message = f"a path file adds {where} to where Python looks for modules"
            yield found("python/path-file", message, artifact=label, path=path, line=number, name=text)


def _leads_out(text: str, home: str, site: str) -> str:
    """Where a line of a path file leads, if that is outside of the generation; else empty."""
    whole = posixpath.normpath(posixpath.join(home, site, text))
    return "" if f"{whole}/".startswith(f"{home}/") else whole


def _start_up_modules(audited: Audited, wheels: Wheels) -> Iterator[Finding]:
    for path in (*sorted(audited.tree), *audited.added):
        relative = path.removeprefix(wheels.site)
        name = module_name(relative) if relative != path else None
        if name not in _START_UP:
            continue
        if path in audited.tree:
            message = f"Python runs this locked {name} whenever it starts"
            details: Details = {
                "artifact": wheels.owner(path),
                "path": path,
                "name": name,
                "severity": "warning",
            }
            yield found("python/start-up-module", message, **details)
        else:
            message = f"Python runs this {name} whenever it starts, and nothing locked has it"
            yield found("python/start-up-module", message, path=path, name=name)


def _settings(audited: Audited) -> Iterator[Finding]:
    data = audited.read("pyvenv.cfg", MAX_SMALL) or b""
    for number, line in enumerate(data.decode(errors="replace").splitlines(), 1):
        key, _, value = (part.strip().lower() for part in line.partition("="))
        if key == "include-system-site-packages" and value == "true":
            message = "the environment also takes packages of the system, and of whoever runs it"
            yield found("python/site-packages-outside", message, path="pyvenv.cfg", line=number, name=key)
