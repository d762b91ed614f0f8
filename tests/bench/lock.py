"""Locking, ours and the peers', against an index that behaves like the public one: see docs/benchmarks.md.

python -m tests.bench.lock --work DIR [--sets NAME,…] [--tools NAME,…] [--rounds N] [--latency MS] [--json FILE]
"""

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import tomllib
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

FIXTURE = Path("fixtures/locks.toml")
SETS = ("small", "medium", "airflow", "boto", "boto3", "dandi", "conflict")
PLATFORM = ("manylinux_2_28_x86_64", "x86_64-manylinux_2_28")
LONGEST = 300
"""Seconds, after which a tool is stopped."""
PROJECT = '[project]\nname = "bench"\nversion = "1"\nrequires-python = "=={python}.*"\ndependencies = {requirements}\n'


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    name: str
    python: str
    cutoff: str
    requirements: list[str]
    elsewhere: str
    """The Python of the machines that this one is not."""
    builds: list[str]
    """What comes from its source distribution, always."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where one tool works on one set."""

    folder: Path
    cache: Path
    index: str
    asked: Asked
    home: Path | None
    """The tool's virtual environment."""

    def write(self, name: str, text: str) -> None:
        (self.folder / name).write_text(text)

    def project(self, more: str) -> str:
        found = PROJECT.format(python=self.asked.python, requirements=json.dumps(self.asked.requirements))
        return found + more

    def program(self, name: str) -> str:
        return str(self.home / "bin" / name) if self.home else name


Command = tuple[Sequence[str], Mapping[str, str]]


def airlock(place: Place) -> Command:
    asked = place.asked
    place.write(
        "airlock.toml",
        '[project]\nname = "bench"\nversion = "1"\n\n[[target]]\nname = "site"\n'
        f'python = "{asked.python}"\nplatform = "{PLATFORM[0]}"\n\n'
        f'[[index]]\nname = "default"\nurl = "{place.index}"\n\n'
        f"[python]\nexclude-newer = {asked.cutoff}\nrequirements = {json.dumps(asked.requirements)}\n"
        f"[python.build]\nalways = {json.dumps(asked.builds)}\n",
    )
    return [sys.executable, "-m", "airlock", "lock"], {"AIRLOCK_CACHE": str(place.cache)}


def built(option: str, asked: Asked) -> list[str]:
    return [word for name in asked.builds for word in (option, name)]


def uv_compile(place: Place) -> Command:
    place.write("requirements.in", "\n".join(place.asked.requirements))
    options = ["--generate-hashes", "--python-version", place.asked.python, "--python-platform", PLATFORM[1]]
    options += ["--exclude-newer", place.asked.cutoff, "--only-binary", ":all:", "--index-url", place.index]
    options += built("--no-binary", place.asked)
    command = [str(Path(sys.executable).parent / "uv"), "pip", "compile", "requirements.in", "-o", "out.txt"]
    return [*command, *options], {"UV_CACHE_DIR": str(place.cache)}


def uv_lock(place: Place) -> Command:
    environments = "sys_platform == 'linux' and platform_machine == 'x86_64'"
    place.write("pyproject.toml", place.project(f'[tool.uv]\nenvironments = ["{environments}"]\n'))
    options = ["--exclude-newer", place.asked.cutoff, "--default-index", place.index, "--no-build"]
    options += built("--no-binary-package", place.asked)
    return [str(Path(sys.executable).parent / "uv"), "lock", *options], {"UV_CACHE_DIR": str(place.cache)}


def pip_lock(place: Place) -> Command:
    place.write("requirements.in", "\n".join(place.asked.requirements))
    options = ["-r", "requirements.in", "-o", "pylock.toml", "--index-url", place.index]
    options += ["--only-binary", ":all:", "--uploaded-prior-to", place.asked.cutoff]
    options += built("--no-binary", place.asked)
    return [place.program("python"), "-m", "pip", "lock", *options], {"PIP_CACHE_DIR": str(place.cache)}


def poetry(place: Place) -> Command:
    more = f'[[tool.poetry.source]]\nname = "bench"\nurl = "{place.index}"\npriority = "primary"\n'
    place.write("pyproject.toml", place.project(more + "[tool.poetry]\npackage-mode = false\n"))
    return [place.program("poetry"), "lock", "-n"], {"POETRY_CACHE_DIR": str(place.cache)}


def pdm(place: Place) -> Command:
    more = f'[[tool.pdm.source]]\nname = "pypi"\nurl = "{place.index}"\nverify_ssl = false\n'
    place.write("pyproject.toml", place.project(more))
    command = [place.program("pdm"), "lock", "--platform", "linux", "--python", f"=={place.asked.python}.*"]
    command += ["--exclude-newer", place.asked.cutoff]
    return command, {"PDM_CACHE_DIR": str(place.cache), "PDM_CHECK_UPDATE": "0"}


TOOLS = {
    "airlock": airlock,
    "uv pip compile": uv_compile,
    "uv lock": uv_lock,
    "pip lock": pip_lock,
    "poetry": poetry,
    "pdm": pdm,
}
LOCKS = ("airlock.lock", "out.txt", "uv.lock", "pylock.toml", "poetry.lock", "pdm.lock")


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    set: str
    tool: str
    state: str
    """`cold`, `warm` (the caches are there, the lock is not), `no-op` (both are), or `check`."""
    wall: float
    cpu: float
    """Seconds."""
    code: int
    """The exit code; -9 where the tool was stopped."""
    requests: int
    packages: int


def once(place: Place, tool: str, state: str, command: Command) -> Run:
    if state == "cold":
        shutil.rmtree(place.cache, ignore_errors=True)
    if state in ("cold", "warm"):
        for name in LOCKS:
            (place.folder / name).unlink(missing_ok=True)
    words = [*command[0], "--check"] if state == "check" else command[0]
    asked_of(place.index)
    with (place.folder / "output.log").open("wb") as log:
        start = time.perf_counter()
        process = subprocess.Popen(
            words,
            cwd=place.folder,
            env=compiled(os.environ) | dict(command[1]),
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        signal.signal(signal.SIGALRM, lambda *_: os.killpg(process.pid, signal.SIGKILL))
        signal.alarm(LONGEST)
        _, status, usage = os.wait4(process.pid, 0)
        signal.alarm(0)
        wall = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    counts = asked_of(place.index)
    return Run(
        set=place.asked.name,
        tool=tool,
        state=state,
        wall=wall,
        cpu=usage.ru_utime + usage.ru_stime,
        code=process.returncode,
        requests=sum(number for what, number in counts.items() if what != "bytes"),
        packages=packages(place.folder),
    )


def compiled(environment: Mapping[str, str]) -> dict[str, str]:
    """An environment in which Python keeps byte code, as it is where a tool was installed."""
    return {name: value for name, value in environment.items() if name != "PYTHONDONTWRITEBYTECODE"}


def asked_of(index: str) -> dict[str, int]:
    with urllib.request.urlopen(index.replace("/simple/", "/-/counts")) as reply:
        return dict(json.load(reply))


def packages(folder: Path) -> int:
    """In whichever lock is there."""
    for name in LOCKS:
        if (folder / name).exists():
            text = (folder / name).read_text()
            if name == "out.txt":
                return sum("==" in line for line in text.splitlines() if not line.lstrip().startswith("#"))
            table = tomllib.loads(text)
            return len(table.get("artifacts") or table.get("package") or table.get("packages") or [])
    return 0


@contextmanager
def index_at(folder: Path, latency: float) -> Iterator[str]:
    """In a process of its own."""
    command = [sys.executable, "-m", "tests.bench.index_proxy", str(folder), "--latency", str(latency)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


def sets() -> dict[str, Asked]:
    return {
        name: Asked(
            name=name,
            python=table["python"],
            cutoff=table["exclude-newer"].strftime("%Y-%m-%dT%H:%M:%SZ"),
            requirements=table["requirements"],
            elsewhere=table.get("python-elsewhere", table["python"]),
            builds=table.get("builds", []),
        )
        for name, table in tomllib.loads(FIXTURE.read_text()).items()
    }


def measured(arguments: argparse.Namespace, index: str) -> Iterator[Run]:
    homes = {name: getattr(arguments, name) for name in ("pip", "poetry", "pdm")}
    for name in arguments.sets.split(","):
        asked = sets()[name]
        places = {}
        for tool in arguments.tools.split(","):
            folder = arguments.work / "locks" / name / tool.replace(" ", "-")
            folder.mkdir(parents=True, exist_ok=True)
            home = homes.get(tool.split()[0])
            places[tool] = Place(folder=folder, cache=folder / "cache", index=index, asked=asked, home=home)
        # The peers take turns within a round, so that noise meets all of them.
        commands = {tool: TOOLS[tool](place) for tool, place in places.items()}
        for state in arguments.states.split(","):
            for _ in range(arguments.rounds):
                for tool, place in places.items():
                    if state != "check" or tool in ("airlock", "uv lock"):
                        yield once(place, tool, state, commands[tool])


def table(runs: Sequence[Run]) -> Iterator[str]:
    yield "| set | state | tool | wall s | CPU s | requests | packages | airlock = 1 |"
    yield "|---|---|---|---:|---:|---:|---:|---:|"
    rows: dict[tuple[str, str, str], list[Run]] = {}
    for run in runs:
        rows.setdefault((run.set, run.state, run.tool), []).append(run)
    for (name, state, tool), found in rows.items():
        wall, cpu = median(run.wall for run in found), median(run.cpu for run in found)
        ours = rows.get((name, state, "airlock"))
        ratio = f"{wall / median(run.wall for run in ours):.2f}" if ours else ""
        end = {0: "", -9: f" (stopped after {LONGEST} s)"}.get(found[0].code, f" (exit {found[0].code})")
        asked, count = max(run.requests for run in found), found[0].packages
        yield f"| {name} | {state} | {tool}{end} | {wall:.2f} | {cpu:.2f} | {asked} | {count} | {ratio} |"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--work", type=Path, required=True, metavar="DIR")
    parser.add_argument("--sets", default=",".join(SETS))
    parser.add_argument("--tools", default="airlock,uv pip compile,uv lock", help=", ".join(TOOLS))
    parser.add_argument("--states", default="cold,warm,no-op,check")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--latency", type=float, default=0.0, metavar="MS", help="before each answer")
    for name in ("pip", "poetry", "pdm"):
        parser.add_argument(f"--{name}", type=Path, metavar="DIR", help="its virtual environment")
    parser.add_argument("--json", type=Path, metavar="FILE")
    arguments = parser.parse_args()
    arguments.work = arguments.work.absolute()
    runs: list[Run] = []
    with index_at(arguments.work / "upstream", arguments.latency) as index:
        for run in measured(arguments, index):
            runs.append(run)
            print(*asdict(run).values(), file=sys.stderr, flush=True)
            if arguments.json:
                document: list[dict[str, Any]] = [asdict(one) for one in runs]
                arguments.json.write_text(json.dumps(document, indent=1) + "\n")
    print("\n".join(table(runs)))


if __name__ == "__main__":
    main()
