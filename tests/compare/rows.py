"""The rows: what an index has, what is asked, and how a cell is judged by what happened."""

import base64
import io
import re
import subprocess
import tarfile
import threading
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from packaging.pylock import Pylock

from tests.compare.tools import HERE, PYTHON, Project, Run, Tool
from tests.index_server import Index
from tests.sdist_factory import backend_wheel, make_sdist
from tests.test_lock_inputs import publisher
from tests.wheel_factory import make_wheel

EARLY, LATE = "2026-01-01T00:00:00Z", "2026-09-01T00:00:00Z"
Judge = Callable[[Tool, Project], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    group: str
    title: str
    judge: Judge
    """What stands in the cell: `yes`, `no`, or what the tool does instead."""
    project: Project
    fill: Callable[[Index, Index], None] = field(default=lambda index, other: None)


def yes(found: bool) -> str:
    return "yes" if found else "no"


def locks(check: Callable[[Run], bool]) -> Judge:
    return lambda tool, project: yes(check(tool.lock(project)))


def versions(*wheels: tuple[str, str]) -> Callable[[Index, Index], None]:
    return lambda index, other: index.add(*(make_wheel(name, version) for name, version in wheels))


def steps(*each: Callable[[Index, Index], None]) -> Callable[[Index, Index], None]:
    def fill(index: Index, other: Index) -> None:
        for step in each:
            step(index, other)

    return fill


def a_pair(index: Index, other: Index) -> None:
    index.add(
        make_wheel("app", "1.0", requires=["lib>=1"]), make_wheel("lib", "1.0"), make_wheel("lib", "0.5")
    )


def commands(table: Mapping[str, Sequence[Sequence[str]]], check: Callable[[Run], bool]) -> Judge:
    """Lock, then each command in turn; the last one is judged. No command is no such thing."""

    def judge(tool: Tool, project: Project) -> str:
        run = tool.lock(project)
        if tool.name not in table or run.code:
            return "no"
        for command in table[tool.name]:
            run = tool.run(*command)
        return yes(run.code == 0 and check(run))

    return judge


def _extras(index: Index, other: Index) -> None:
    index.add(make_wheel("app", "1.0", requires=["lib; extra == 'more'"], extras=["more"]))
    index.add(make_wheel("lib", "1.0"))


GROUPS = '[dependency-groups]\ntest = ["lib"]\nall = [{ include-group = "test" }]\n'

INPUTS = [
    Row(
        group="inputs",
        title="extras",
        fill=_extras,
        project=Project(requirements=["app[more]"]),
        judge=locks(lambda run: run.has("lib", "1.0")),
    ),
    Row(
        group="inputs",
        title="markers",
        fill=versions(("lib", "1.0"), ("win", "1.0")),
        project=Project(requirements=["lib; sys_platform == 'linux'", "win; sys_platform == 'win32'"]),
        judge=locks(lambda run: run.has("lib", "1.0")),
    ),
    Row(
        group="inputs",
        title="dependency groups with includes (PEP 735)",
        fill=versions(("lib", "1.0")),
        project=Project(
            requirements=[],
            files={"pyproject.toml": f'[project]\nname = "plant"\nversion = "1"\n{GROUPS}'},
            text={"airlock": 'groups = ["all"]', "uv": GROUPS, "poetry": GROUPS, "pdm": GROUPS},
            arguments={"pdm": ["-G", "all"], "pip-tools": ["--group", "all"]},
        ),
        judge=locks(lambda run: run.has("lib", "1.0")),
    ),
    Row(
        group="inputs",
        title="constraints",
        fill=versions(("lib", "1.0"), ("lib", "2.0")),
        project=Project(
            requirements=["lib"],
            files={"c.txt": "lib<2\n"},
            text={
                "airlock": 'constraints = ["lib<2"]',
                "uv": '[tool.uv]\nconstraint-dependencies = ["lib<2"]\n',
                "poetry": '[tool.poetry.constraints]\nlib = "<2"\n',
                "pdm": '[tool.pdm.resolution.constraints]\nlib = "<2"\n',
            },
            arguments={"pip-tools": ["-c", "c.txt"], "pdm": ["--override", "c.txt"]},
        ),
        judge=locks(lambda run: run.has("lib", "1.0")),
    ),
    Row(
        group="inputs",
        title="overrides",
        fill=lambda index, other: index.add(
            make_wheel("app", "1.0", requires=["lib<2"]), make_wheel("lib", "1.0"), make_wheel("lib", "2.0")
        ),
        project=Project(
            requirements=["app"],
            text={
                "airlock": 'overrides = ["lib==2.0"]',
                "uv": '[tool.uv]\noverride-dependencies = ["lib==2.0"]\n',
                "poetry": '[tool.poetry.overrides]\nlib = "2.0"\n',
                "pdm": '[tool.pdm.resolution.overrides]\nlib = "2.0"\n',
            },
        ),
        judge=locks(lambda run: run.has("lib", "2.0")),
    ),
    Row(
        group="inputs",
        title="pre-releases of one package alone",
        fill=versions(("lib", "1.0"), ("lib", "2.0rc1"), ("sub", "1.0"), ("sub", "2.0rc1")),
        project=Project(
            requirements=["lib>=1.0", "sub"],
            text={
                "airlock": '[python.packages.lib]\nprereleases = "allow"',
                "uv": '[tool.uv.prerelease-package]\nlib = "allow"\n',
                "poetry": '[tool.poetry.dependencies]\nlib = { version = ">=1.0", allow-prereleases = true }\n',
                "pdm": "[tool.pdm.resolution]\nallow-prereleases = true\n",
            },
            arguments={"pip-tools": ["--pre"]},
        ),
        judge=locks(lambda run: run.has("lib", "2.0rc1") and run.has("sub", "1.0")),
    ),
    Row(
        group="inputs",
        title="a yanked version is passed over",
        fill=steps(
            lambda index, other: index.add(make_wheel("lib", "1.0")),
            lambda index, other: index.add(make_wheel("lib", "2.0"), yanked="broken"),
        ),
        project=Project(requirements=["lib"]),
        judge=locks(lambda run: run.has("lib", "1.0")),
    ),
    Row(
        group="inputs",
        title="a yanked version that is pinned is reported",
        fill=lambda index, other: index.add(make_wheel("lib", "2.0"), yanked="broken"),
        project=Project(requirements=["lib==2.0"]),
        judge=locks(lambda run: run.has("lib", "2.0") and "yanked" in run.output),
    ),
    Row(
        group="inputs",
        title="an archived project is reported (PEP 792)",
        fill=steps(
            lambda index, other: index.add(make_wheel("lib", "1.0")),
            lambda index, other: index.status.update(lib={"status": "archived", "reason": "use other"}),
        ),
        project=Project(requirements=["lib"]),
        judge=locks(lambda run: run.has("lib", "1.0") and "archived" in run.output),
    ),
    Row(
        group="inputs",
        title="a quarantined project is refused (PEP 792)",
        fill=steps(
            lambda index, other: index.add(make_wheel("lib", "1.0")),
            lambda index, other: index.status.update(lib={"status": "quarantined", "reason": "malware"}),
        ),
        project=Project(requirements=["lib"]),
        judge=locks(lambda run: run.code != 0),
    ),
    Row(
        group="inputs",
        title="local versions",
        fill=versions(("lib", "1.0+cu12")),
        project=Project(requirements=["lib==1.0"]),
        judge=locks(lambda run: run.code == 0 and "1.0+cu12" in run.lock),
    ),
    Row(
        group="inputs",
        title="direct references, their hash in the lock",
        fill=versions(("lib", "1.0")),
        project=Project(
            requirements=["lib @ {files}/lib-1.0-py3-none-any.whl"],
            arguments={"pip-tools": ["--generate-hashes"]},
        ),
        judge=locks(lambda run: run.code == 0 and make_wheel("lib", "1.0").sha256 in run.lock),
    ),
    Row(
        group="inputs",
        title="local wheels",
        fill=lambda index, other: None,
        project=Project(requirements=["lib @ file://{place}/lib-1.0-py3-none-any.whl"]),
        judge=lambda tool, project: _local(tool, project),
    ),
    Row(
        group="inputs",
        title="a branch of git, pinned to its commit",
        fill=lambda index, other: index.add(backend_wheel()),
        project=Project(
            requirements=["lib @ git+file://{place}/../repository-{name}@main"],
            text={"airlock": '[python.build]\npackages = ["lib"]'},
        ),
        judge=lambda tool, project: _git(tool, project),
    ),
    Row(
        group="inputs",
        title="a package tied to an index",
        fill=steps(
            lambda index, other: index.add(make_wheel("lib", "9.0")),
            lambda index, other: other.add(make_wheel("lib", "1.0")),
        ),
        project=Project(
            requirements=["lib"],
            text={
                "airlock": '[python.sources]\nlib = "corp"\n[[index]]\nname = "corp"\nurl = "{other}"',
                "uv": '[[tool.uv.index]]\nname = "corp"\nurl = "{other}"\nexplicit = true\n[tool.uv.sources]\nlib = { index = "corp" }\n',
                "poetry": '[[tool.poetry.source]]\nname = "corp"\nurl = "{other}"\npriority = "explicit"\n[tool.poetry.dependencies]\nlib = { source = "corp" }\n',
                "pdm": '# instead\n[[tool.pdm.source]]\nname = "pypi"\nurl = "{index}"\nexclude_packages = ["lib"]\n[[tool.pdm.source]]\nname = "corp"\nurl = "{other}"\ninclude_packages = ["lib"]\n',
            },
            arguments={"pip-tools": ["--extra-index-url", "{other}"]},
        ),
        judge=locks(lambda run: run.has("lib", "1.0")),
    ),
    Row(
        group="inputs",
        title="the same, for what only a dependency needs",
        fill=steps(
            lambda index, other: index.add(
                make_wheel("app", "1.0", requires=["lib"]), make_wheel("lib", "9.0")
            ),
            lambda index, other: other.add(make_wheel("lib", "1.0")),
        ),
        project=Project(
            requirements=["app"],
            text={
                "airlock": '[python.sources]\nlib = "corp"\n[[index]]\nname = "corp"\nurl = "{other}"',
                "uv": '[[tool.uv.index]]\nname = "corp"\nurl = "{other}"\nexplicit = true\n[tool.uv.sources]\nlib = { index = "corp" }\n',
                "poetry": '[[tool.poetry.source]]\nname = "corp"\nurl = "{other}"\npriority = "explicit"\n[tool.poetry.dependencies]\napp = "*"\n',
                "pdm": '# instead\n[[tool.pdm.source]]\nname = "pypi"\nurl = "{index}"\nexclude_packages = ["lib"]\n[[tool.pdm.source]]\nname = "corp"\nurl = "{other}"\ninclude_packages = ["lib"]\n',
            },
            arguments={"pip-tools": ["--extra-index-url", "{other}"]},
        ),
        judge=locks(lambda run: run.has("lib", "1.0")),
    ),
    Row(
        group="inputs",
        title="a name on two indexes and no rule: refused",
        fill=steps(
            lambda index, other: index.add(make_wheel("lib", "9.0")),
            lambda index, other: other.add(make_wheel("lib", "1.0")),
        ),
        project=Project(
            requirements=["lib"],
            text={
                "airlock": '[[index]]\nname = "corp"\nurl = "{other}"',
                "uv": '[[tool.uv.index]]\nname = "corp"\nurl = "{other}"\n',
                "poetry": '[[tool.poetry.source]]\nname = "corp"\nurl = "{other}"\npriority = "primary"\n',
                "pdm": '[[tool.pdm.source]]\nname = "corp"\nurl = "{other}"\n',
            },
            arguments={"pip-tools": ["--extra-index-url", "{other}"]},
        ),
        judge=lambda tool, project: _confusion(tool.lock(project)),
    ),
    Row(
        group="inputs",
        title="a cutoff for all packages, an absolute instant",
        fill=steps(
            lambda index, other: index.add(make_wheel("lib", "1.0"), upload_time=EARLY),
            lambda index, other: index.add(make_wheel("lib", "2.0"), upload_time=LATE),
        ),
        project=Project(
            requirements=["lib"],
            text={"airlock": "exclude-newer = 2026-03-01T00:00:00Z"},
            arguments={
                "uv": ["--exclude-newer", "2026-03-01T00:00:00Z"],
                "pip-tools": ["--pip-args", "--uploaded-prior-to=2026-03-01T00:00:00Z"],
                "pdm": ["--exclude-newer", "2026-03-01"],
            },
        ),
        judge=locks(lambda run: run.has("lib", "1.0")),
    ),
    Row(
        group="inputs",
        title="a cutoff for one package alone",
        fill=steps(
            lambda index, other: index.add(
                make_wheel("lib", "1.0"), make_wheel("sub", "1.0"), upload_time=EARLY
            ),
            lambda index, other: index.add(
                make_wheel("lib", "2.0"), make_wheel("sub", "2.0"), upload_time=LATE
            ),
        ),
        project=Project(
            requirements=["lib", "sub"],
            text={"airlock": "[python.packages.lib]\nexclude-newer = 2026-03-01T00:00:00Z"},
            arguments={
                "uv": ["--exclude-newer-package", "lib=2026-03-01T00:00:00Z"],
                "pdm": ["--exclude-newer", "2026-12-31", "--exclude-newer-override", "lib=2026-03-01"],
            },
        ),
        judge=locks(lambda run: run.has("lib", "1.0") and run.has("sub", "2.0")),
    ),
    Row(
        group="inputs",
        title="Requires-Python of each file, for the target's Python",
        fill=lambda index, other: index.add(
            make_wheel("lib", "1.0"), make_wheel("lib", "2.0", requires_python=">=3.99")
        ),
        project=Project(requirements=["lib"]),
        judge=locks(lambda run: run.code == 0 and "1.0" in run.pins.get("lib", ())),
    ),
    Row(
        group="inputs",
        title="a password from ~/.netrc",
        fill=versions(("lib", "1.0")),
        project=Project(requirements=["lib"]),
        judge=lambda tool, project: _netrc(tool, project),
    ),
    Row(
        group="inputs",
        title="who published a file, recorded (PEP 740)",
        fill=steps(
            lambda index, other: index.add(make_wheel("lib", "1.0")),
            lambda index, other: index.provenance.update(
                {"lib-1.0-py3-none-any.whl": publisher(repository="acme/lib", workflow="release.yml")}
            ),
        ),
        project=Project(requirements=["lib"]),
        judge=locks(lambda run: run.code == 0 and "acme/lib" in run.lock),
    ),
]


def _netrc(tool: Tool, project: Project) -> str:
    home = Path(tool.environment()["HOME"])
    (home / ".netrc").write_text("machine 127.0.0.1 login me password secret\n")
    (home / ".netrc").chmod(0o600)
    tool.index.authorization = "Basic " + base64.b64encode(b"me:secret").decode()
    return yes(tool.lock(project).has("lib", "1.0"))


def _local(tool: Tool, project: Project) -> str:
    wheel = make_wheel("lib", "1.0")
    (tool.place / wheel.file).write_bytes(wheel.data)
    if tool.name == "airlock":  # which takes paths beside the manifest alone
        project.requirements = [f"lib @ ./{wheel.file}"]
    run = tool.lock(project)
    return yes(run.code == 0 and "lib" in run.lock)


def _git(tool: Tool, project: Project) -> str:
    place = tool.place.parent / f"repository-{tool.name}"
    place.mkdir()
    with tarfile.open(fileobj=io.BytesIO(make_sdist("lib", "1.0"))) as archive:
        archive.extractall(place, filter="data")
    root = place / "lib-1.0"

    def git(*words: str) -> str:
        return subprocess.check_output(("git", *words), cwd=root, env=tool.environment(), text=True).strip()

    for words in (("init", "-q", "-b", "main"), ("add", "-A"), ("commit", "-q", "-m", "one")):
        git(*words)
    git("update-server-info")
    with served(root / ".git") as address:  # PDM takes a repository at a host alone
        project.requirements = [f"lib @ git+{address if tool.name == 'pdm' else root.as_uri()}@main"]
        return yes(git("rev-parse", "HEAD") in tool.lock(project).lock)


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """Files as they lie there, which is what git calls a dumb server."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Files, directory=str(folder.parent))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/{folder.name}"
        finally:
            server.shutdown()


class _Files(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


def _confusion(run: Run) -> str:
    if run.code:
        return "yes"
    return "no: takes the higher version" if run.has("lib", "9.0") else "no: takes the first index"


BUILT = '[python.build]\npackages = ["thing"]'


def _sdist(index: Index, other: Index) -> None:
    index.add(backend_wheel())
    index.add_sdist("thing", "1.0", make_sdist("thing", "1.0"))


def _marking(tool: Tool, project: Project) -> str:
    """Whether a build hook of something that was not allowed runs while locking."""
    mark = tool.place.parent / f"ran-{tool.name}"
    recipe = f"open({str(mark)!r}, 'w').write('ran')\n"
    tool.index.add(backend_wheel())
    tool.index.add_sdist("thing", "1.0", make_sdist("thing", "1.0", recipe))
    tool.lock(project)
    return yes(not mark.exists())


def _connecting(tool: Tool, project: Project) -> str:
    """A backend that asks the index for a page; whether it may."""
    tool.index.add(backend_wheel())
    recipe = (
        "import urllib.request\ntry:\n"
        f"    urllib.request.urlopen('{tool.index.url}/asked-by-a-build', timeout=2)\n"
        "except Exception:\n    pass\n"
    )
    tool.index.add_sdist("thing", "1.0", make_sdist("thing", "1.0", recipe))
    run = tool.lock(project)
    return yes(run.code == 0 and not tool.index.asked("asked-by-a-build"))


SDISTS = [
    Row(
        group="source distributions",
        title="a package that has only an sdist is locked",
        fill=_sdist,
        project=Project(requirements=["thing"], text={"airlock": BUILT}),
        judge=locks(lambda run: run.has("thing", "1.0")),
    ),
    Row(
        group="source distributions",
        title="its build requirements are in the lock, with hashes",
        fill=_sdist,
        project=Project(
            requirements=["thing"],
            text={"airlock": BUILT},
            arguments={"pip-tools": ["--generate-hashes", "--all-build-deps"]},
        ),
        judge=locks(lambda run: run.code == 0 and backend_wheel().sha256 in run.lock),
    ),
    Row(
        group="source distributions",
        title="no code of a package runs unless it was allowed",
        project=Project(requirements=["thing"]),
        judge=_marking,
    ),
    Row(
        group="source distributions",
        title="a build has no network",
        project=Project(requirements=["thing"], text={"airlock": BUILT}),
        judge=lambda tool, project: _connecting(tool, project),
    ),
]


def _floors(index: Index, other: Index) -> None:
    tag = f"cp{PYTHON.replace('.', '')}"
    index.add(make_wheel("fast", "2.0", tag=f"{tag}-{tag}-manylinux_2_39_x86_64"))
    index.add(make_wheel("fast", "1.0", tag=f"{tag}-{tag}-manylinux_2_17_x86_64"))


FOREIGN = (("ship", "3.12", "musllinux_1_2_aarch64"),)

TARGETS = [
    Row(
        group="targets",
        title="a target that this machine is not (musl, aarch64)",
        fill=lambda index, other: index.add(
            make_wheel("fast", "1.0", tag="cp312-cp312-musllinux_1_2_aarch64")
        ),
        project=Project(
            requirements=["fast"],
            targets=FOREIGN,
            arguments={"pdm": ["--platform", "musllinux_1_2_aarch64", "--python", "==3.12.*"]},
        ),
        judge=locks(lambda run: run.has("fast", "1.0")),
    ),
    Row(
        group="targets",
        title="Windows and macOS",
        fill=lambda index, other: index.add(
            make_wheel("fast", "1.0", tag="cp312-cp312-win_amd64"),
            make_wheel("fast", "1.0", tag="cp312-cp312-macosx_11_0_arm64"),
        ),
        project=Project(
            requirements=["fast"],
            targets=(("win", "3.12", "win_amd64"), ("mac", "3.12", "macosx_14_0_arm64")),
            arguments={"pdm": ["--platform", "windows_amd64", "--python", "==3.12.*"]},
        ),
        judge=locks(lambda run: run.has("fast", "1.0")),
    ),
    Row(
        group="targets",
        title="the version whose wheel fits the target's C library",
        fill=_floors,
        project=Project(requirements=["fast"], arguments={"pdm": ["--platform", "manylinux_2_17_x86_64"]}),
        judge=locks(lambda run: run.has("fast", "1.0")),
    ),
    Row(
        group="targets",
        title="refused while locking where a target has no file",
        fill=lambda index, other: index.add(make_wheel("fast", "1.0", tag="cp311-cp311-win_amd64")),
        project=Project(
            requirements=["fast"],
            text={"uv": "[tool.uv]\nrequired-environments = [\"sys_platform == 'linux'\"]\n"},
            arguments={"pdm": ["--platform", "manylinux_2_17_x86_64"]},
        ),
        judge=locks(lambda run: run.code != 0),
    ),
    Row(
        group="targets",
        title="two targets in one lock, each with the one file that it installs",
        fill=lambda index, other: index.add(
            *(
                make_wheel("fast", "1.0", tag=f"{one}-{one}-{platform}")
                for one in ("cp311", "cp312", "cp313")
                for platform in ("manylinux_2_17_x86_64", "musllinux_1_2_aarch64", "win_amd64")
            )
        ),
        project=Project(
            requirements=["fast"],
            targets=(HERE, *FOREIGN),
            arguments={"pip-tools": ["--generate-hashes"]},
        ),
        judge=lambda tool, project: _files(tool.lock(project)),
    ),
]


def _files(run: Run) -> str:
    lock = re.sub(r"(?m)^content.*", "", run.lock.partition("[inputs]")[0])
    count = len(set(re.findall(r"sha256(?::| = \")([0-9a-f]{64})", lock)))
    return "yes" if count == 2 else f"no: {count} files"


def _conflict(index: Index, other: Index) -> None:
    index.add(make_wheel("app", "1.0", requires=["http>=2"]), make_wheel("calm", "1.0"))
    index.add(make_wheel("http", "1.9"), make_wheel("http", "2.5"))


EXPLAIN = [
    Row(
        group="explanations",
        title="a conflict names the lines of the manifest",
        fill=_conflict,
        project=Project(requirements=["app", "calm", "http<2"]),
        judge=lambda tool, project: yes(f"{tool.manifest}:" in tool.lock(project).output),
    ),
    Row(
        group="explanations",
        title="and says which change works, having tried it",
        fill=_conflict,
        project=Project(requirements=["app", "calm", "http<2"]),
        judge=lambda tool, project: yes("2.5" in tool.lock(project).output),
    ),
    Row(
        group="explanations",
        title="why is it here",
        fill=a_pair,
        project=Project(requirements=["app"]),
        judge=commands(
            {
                "airlock": [["why", "lib"]],
                "uv": [["tree", "--frozen", "--invert", "--package", "lib"]],
                "pip-tools": [["--version"]],
                "poetry": [["show", "--why", "--tree", "lib"]],
                "pdm": [["list", "--tree", "--reverse", "lib"]],
            },
            lambda run: "app" in run.output or "# via app" in run.lock.replace("\n    ", " "),
        ),
    ),
    Row(
        group="explanations",
        title="a tree, of the lock alone",
        fill=a_pair,
        project=Project(requirements=["app"]),
        judge=commands(
            {
                "airlock": [["tree"]],
                "uv": [["tree", "--frozen"]],
                "poetry": [["show", "--tree"]],
                "pdm": [["list", "--tree"]],
            },
            lambda run: "app" in run.output and "lib" in run.output,
        ),
    ),
    Row(
        group="explanations",
        title="what is outdated, of the lock alone",
        fill=lambda index, other: index.add(make_wheel("lib", "1.0"), make_wheel("lib", "2.0")),
        project=Project(requirements=["lib"], files={}),
        judge=lambda tool, project: _outdated(tool, project),
    ),
    Row(
        group="explanations",
        title="a dry run that shows each change",
        fill=lambda index, other: index.add(make_wheel("lib", "1.0")),
        project=Project(requirements=["lib"]),
        judge=lambda tool, project: _dry_run(tool, project),
    ),
]

OUTDATED = {
    "airlock": ["outdated"],
    "uv": ["tree", "--outdated", "--frozen", "--default-index", "{index}"],
    "pip-tools": ["--upgrade", "--dry-run"],
    "poetry": ["show", "--outdated"],
    "pdm": ["outdated"],
}
DRY = {
    "airlock": ["lock", "--dry-run", "--upgrade"],
    "uv": ["lock", "--dry-run", "--upgrade", "--default-index", "{index}"],
    "pip-tools": ["--upgrade", "--dry-run"],
    "poetry": ["update", "--dry-run"],
    "pdm": ["update", "--dry-run"],
}


def _moved(tool: Tool, project: Project, table: Mapping[str, Sequence[str]]) -> Run:
    """Lock 1.0, then let there be 3.0, and run the command."""
    tool.index.projects.clear()
    tool.index.add(make_wheel("lib", "1.0"))
    tool.lock(project)
    tool.index.add(make_wheel("lib", "3.0"))
    command = [word.replace("{index}", tool.index.simple) for word in table[tool.name]]
    return tool.run(*tool.command(), *command) if tool.name == "pip-tools" else tool.run(*command)


def _outdated(tool: Tool, project: Project) -> str:
    return yes("3.0" in _moved(tool, project, OUTDATED).output)


def _dry_run(tool: Tool, project: Project) -> str:
    run = _moved(tool, project, DRY)
    return yes("1.0" in run.output and "3.0" in run.output and not run.has("lib", "3.0"))


INTERCHANGE = [
    Row(
        group="interchange",
        title="writes a valid pylock.toml",
        fill=a_pair,
        project=Project(requirements=["app"]),
        judge=commands(
            {
                "airlock": [["export", "--format", "pylock"]],
                "uv": [["export", "-q", "--frozen", "--format", "pylock.toml", "-o", "pylock.toml"]],
                "poetry": [["export", "--format", "pylock.toml", "-o", "pylock.toml"]],
                "pdm": [["export", "-f", "pylock", "-o", "pylock.toml"]],
            },
            lambda run: _valid(run.place / "pylock.toml"),
        ),
    ),
    Row(
        group="interchange",
        title="writes requirements with hashes",
        fill=a_pair,
        project=Project(requirements=["app"], arguments={"pip-tools": ["--generate-hashes"]}),
        judge=commands(
            {
                "airlock": [["export", "--format", "requirements"]],
                "uv": [
                    ["export", "-q", "--frozen", "--format", "requirements.txt", "-o", "requirements.txt"]
                ],
                "pip-tools": [["--version"]],
                "poetry": [["export", "-o", "requirements.txt"]],
                "pdm": [["export", "-f", "requirements", "-o", "requirements.txt"]],
            },
            lambda run: "--hash=sha256:" in (run.place / "requirements.txt").read_text(),
        ),
    ),
    Row(
        group="interchange",
        title="keeps the pins of another tool's lock",
        fill=lambda index, other: None,
        project=Project(requirements=["app>=1"]),
        judge=lambda tool, project: _takes_over(tool, project),
    ),
    Row(
        group="interchange",
        title="asks another resolver for a second opinion",
        fill=a_pair,
        project=Project(requirements=["app"]),
        judge=commands({"airlock": [["lock", "--cross-check"]]}, lambda run: "the same" in run.output),
    ),
]


def _valid(path: Path) -> bool:
    return path.exists() and bool(Pylock.from_dict(tomllib.loads(path.read_text())).packages)


def _takes_over(tool: Tool, project: Project) -> str:
    """A pylock.toml, which every tool could read, is there before the first lock."""
    from tests.foreign import FOREIGN as FIXTURES
    from tests.foreign import new_world, old_world

    tool.index.add(*old_world(), *new_world())
    (tool.place / "pylock.toml").write_text((FIXTURES / "uv-export" / "pylock.toml").read_text())
    tool.prepare(project)
    if tool.name in ("airlock", "pdm"):
        tool.run("import", "pylock.toml")
    return yes(tool.again(project).has("app", "1.0"))


PURE = [
    Row(
        group="a pure function",
        title="a second lock and a check need no network",
        fill=a_pair,
        project=Project(requirements=["app"]),
        judge=lambda tool, project: _offline(tool, project),
    ),
    Row(
        group="a pure function",
        title="no host is in the lock: a mirror gives the same bytes",
        fill=steps(lambda index, other: a_pair(index, other), lambda index, other: a_pair(other, index)),
        project=Project(requirements=["app"]),
        judge=lambda tool, project: _mirror(tool, project),
    ),
    Row(
        group="a pure function",
        title="a check judges a lock that was edited",
        fill=a_pair,
        project=Project(requirements=["app"]),
        judge=lambda tool, project: _edited(tool, project),
    ),
    Row(
        group="a pure function",
        title="an upgrade of one package fails where another must move",
        fill=lambda index, other: None,
        project=Project(requirements=["app", "lib"]),
        judge=lambda tool, project: _only(tool, project),
    ),
    Row(
        group="a pure function",
        title="two branches that each add a package merge into a lock that is right",
        fill=versions(*((name, "1.0") for name in ("alpha", "beta", "gamma", "kappa", "omega", "tau"))),
        project=Project(requirements=["alpha", "gamma", "kappa", "omega"]),
        judge=lambda tool, project: _merged(tool, project),
    ),
]

CHECK = {
    "airlock": ["lock", "--check"],
    "uv": ["lock", "--check", "--default-index", "{index}"],
    "poetry": ["check", "--lock"],
    "pdm": ["lock", "--check"],
}


def _check(tool: Tool, project: Project) -> Run | None:
    """pip-tools has none: compiling again is the nearest to it."""
    if tool.name not in CHECK:
        before = tool.place / tool.lockfile
        text = before.read_text()
        run = tool.again(project)
        return run if run.lock == text else None
    return tool.run(*(word.replace("{index}", tool.index.simple) for word in CHECK[tool.name]))


def _offline(tool: Tool, project: Project) -> str:
    tool.lock(project)
    asked = len(tool.index.log)
    again = tool.again(project)
    checked = _check(tool, project)
    return yes(again.code == 0 and checked is not None and len(tool.index.log) == asked)


def _mirror(tool: Tool, project: Project) -> str:
    first = tool.lock(project).lock
    (tool.place / tool.lockfile).unlink()
    tool.index, tool.other = tool.other, tool.index
    try:
        return yes(bool(first) and tool.lock(project).lock == first)
    finally:
        tool.index, tool.other = tool.other, tool.index


def _edited(tool: Tool, project: Project) -> str:
    """lib 0.5, which app does not take, in the place of 1.0."""
    run = tool.lock(project)
    old, new = make_wheel("lib", "1.0"), make_wheel("lib", "0.5")
    text = (
        run.lock.replace(old.sha256, new.sha256).replace("lib-1.0", "lib-0.5").replace("lib==1.0", "lib==0.5")
    )
    text = text.replace('name = "lib"\nversion = "1.0"', 'name = "lib"\nversion = "0.5"')
    text = text.replace('name = "lib", version = "1.0"', 'name = "lib", version = "0.5"')
    assert text != run.lock
    (tool.place / tool.lockfile).write_text(text)
    checked = _check(tool, project)
    return yes(checked is None or checked.code != 0)


ONLY = {
    "airlock": ["-P", "app", "--only"],
    "uv": ["-P", "app"],
    "pip-tools": ["-P", "app"],
}


def _only(tool: Tool, project: Project) -> str:
    tool.index.add(make_wheel("app", "1.0", requires=["lib"]), make_wheel("lib", "1.0"))
    tool.lock(project)
    tool.index.add(make_wheel("app", "2.0", requires=["lib>=2"]), make_wheel("lib", "2.0"))
    if tool.name in ("poetry", "pdm"):
        more = ["update", "--lock", "app"] if tool.name == "poetry" else ["update", "--no-sync", "app"]
        run = tool.run(*more)
    else:
        run = tool.again(project, *ONLY[tool.name])
    if run.code:
        return "yes"
    return "no: moves it" if run.has("lib", "2.0") else "no: nothing moves"


def _merged(tool: Tool, project: Project) -> str:
    def git(*words: str) -> int:
        return subprocess.run(
            ("git", *words), cwd=tool.place, env=tool.environment(), capture_output=True, check=False
        ).returncode

    def commit(requirements: list[str]) -> None:
        project.requirements = requirements
        tool.lock(project)
        for name in (tool.manifest,):
            path = tool.place / name
            path.write_text(path.read_text().replace('", "', '",\n"'))
        tool.again(project)
        git("add", tool.manifest, tool.lockfile, ".gitattributes")
        git("commit", "-q", "-m", "work")

    git("init", "-q", "-b", "main")
    git("config", "merge.airlock.driver", " ".join([*tool.program, "lock merge-driver %O %A %B %P"]))
    (tool.place / ".gitattributes").write_text("airlock.lock merge=airlock\n")
    commit(["alpha", "gamma", "kappa", "omega"])
    git("switch", "-q", "-c", "side")
    commit(["alpha", "gamma", "kappa", "omega", "tau"])
    git("switch", "-q", "main")
    commit(["alpha", "beta", "gamma", "kappa", "omega"])
    if git("merge", "-q", "--no-edit", "side"):
        return "no: a conflict"
    checked = _check(tool, project)
    return yes(checked is not None and checked.code == 0) if checked else "no"


ROWS = [*INPUTS, *SDISTS, *TARGETS, *EXPLAIN, *INTERCHANGE, *PURE]
CONTROL = Row(
    group="",
    title="a plain wheel",
    fill=versions(("lib", "1.0")),
    project=Project(requirements=["lib"]),
    judge=locks(lambda run: run.has("lib", "1.0")),
)
"""What every tool does; one that does not is not set up."""
