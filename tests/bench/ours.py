"""airlock, run as the program it is: locks, bundles, keys, deltas, for one change."""

import compileall
import json
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import airlock
from tests.bench.corpora import Change, Corpus, Pin, locked, only
from tests.bench.measure import Cost, cost_of
from tests.bench.sizes import link, sha256_of

AIRLOCK = (sys.executable, "-m", "airlock")
SIDES = ("old", "new")
VERSIONS = {"old": "1.0.0", "new": "2.0.0"}
POLICIES = (
    *(f"manylinux_2_{minor}" for minor in range(28, 4, -1)),
    "manylinux2014",
    "manylinux2010",
    "manylinux1",
)

MANIFEST = """\
[project]
name = "corpus"
version = "{version}"

[[target]]
name = "site"
python = "{python}"
platform = "{platform}"

[python]
requirements = {requirements}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """One change in a folder: `old.lock`, `new.lock`, `wheels/`, `dist/`. `cache` is shared by all."""

    corpus: Corpus
    change: Change
    place: Path
    cache: Path

    def airlock(self, *arguments: str, cache: Path | None = None, directory: Path | None = None) -> Cost:
        return cost_of(
            (*AIRLOCK, *arguments), directory or self.place, {"AIRLOCK_CACHE": str(cache or self.cache)}
        )

    def lock_path(self, side: str) -> Path:
        return self.place / f"{side}.lock"

    def wheels(self, side: str) -> Path:
        return self.place / "wheels" / side

    def bundle(self, side: str) -> Path:
        return self._dist(f"*-{self.version(side)}-*.airlock")

    def delta(self) -> Path:
        return self._dist("*.airdelta")

    def version(self, side: str) -> str:
        return str(tomllib.loads(self.lock_path(side).read_text())["project"]["version"])

    def _dist(self, pattern: str) -> Path:
        found = sorted((self.place / "dist").glob(pattern))
        if len(found) != 1:
            sys.exit(f"{self.place}/dist: {pattern}: one expected, found {len(found)}: lock a single target")
        return found[0]

    # --- what is there before anything is measured

    def prepare(self, at_hand: Path | None, *, relock: bool) -> None:
        """Lock both sides and bring the wheels; keeps what an earlier run has left."""
        self.place.mkdir(parents=True, exist_ok=True)
        compileall.compile_dir(Path(airlock.__file__).parent, quiet=1)  # as what installs airlock does
        for side in SIDES:
            if relock or not self.lock_path(side).exists():
                self._lock(side, getattr(self.change, side))
            if not self.wheels(side).exists():
                bring(self.lock_path(side).read_text(), self.corpus, at_hand, self.wheels(side))

    def _lock(self, side: str, pins: Sequence[Pin] | Path) -> None:
        path = self.lock_path(side)
        if isinstance(pins, Path):
            shutil.copy(pins, path)
            return
        write_manifest(path.with_suffix(".toml"), self.corpus, VERSIONS[side], [str(pin) for pin in pins])
        path.unlink(missing_ok=True)
        self.airlock("lock", "--manifest", f"{side}.toml")
        path.write_text(only(path.read_text(), pins))

    def build(self) -> None:
        """Both bundles, signed."""
        shutil.rmtree(self.place / "dist", ignore_errors=True)
        if not (self.place / "trust-root.json").exists():
            self.airlock("key", "new", "root", "--no-passphrase")
            self.airlock("key", "new", "release", "--no-passphrase")
            self.airlock(
                "trust", "init", "--root", "root.key", "--release", "release.pub", "-o", "trust-root.json"
            )
        for side in SIDES:
            self.airlock("build", "--lock", f"{side}.lock")
            self.airlock("sign", str(self.bundle(side)), "--key", "release.key")

    # --- what is measured

    def make_delta(self) -> Cost:
        for stale in (self.place / "dist").glob("*.airdelta"):
            stale.unlink()
        return self.airlock("delta", "old.lock", "new.lock", "--offline", "--signed", str(self.bundle("new")))

    def apply_delta(self, target: Path) -> Cost:
        return self.airlock("apply", str(self.bundle("old")), str(self.delta()), "-o", str(target))

    def verify(self, bundle: Path) -> Cost:
        return self.airlock("verify", str(bundle), "--trust", "trust-root.json")

    def inspect(self, file: Path) -> dict[str, Any]:
        done = subprocess.run(
            (*AIRLOCK, "inspect", "--sizes", "--json", str(file)), check=True, capture_output=True, text=True
        )
        document: dict[str, Any] = json.loads(done.stdout)
        return document


def write_manifest(
    path: Path, corpus: Corpus, version: str, requirements: Sequence[str], cutoff: str | None = None
) -> None:
    text = MANIFEST.format(
        version=version,
        python=corpus.python,
        platform=corpus.platform,
        requirements=json.dumps(list(requirements)),
    )
    path.write_text(text + (f"exclude-newer = {cutoff}\n" if cutoff else ""))


def bring(lock: str, corpus: Corpus, at_hand: Path | None, target: Path) -> None:
    """The lock's wheels, from a folder where they are at hand, else as pip downloads them. Each is checked."""
    rows = locked(lock)
    files = {path.name: path for path in at_hand.rglob("*.whl")} if at_hand else {}
    if all(row["file"] in files for row in rows):
        link((files[row["file"]] for row in rows), target)
    else:
        target.mkdir(parents=True)
        cost_of(download(rows, corpus, target), target.parent)
    for row in rows:
        if sha256_of(target / row["file"]) != row["sha256"]:
            sys.exit(f"{target / row['file']}: not what the lock names")


def download(rows: Sequence[dict[str, Any]], corpus: Corpus, target: Path) -> tuple[str, ...]:
    """pip's command for exactly these files, whatever machine it runs on."""
    requirements = target.with_suffix(".txt")
    pins = (f"{row['name']}=={row['version']} --hash=sha256:{row['sha256']}\n" for row in rows)
    requirements.write_text("".join(pins))
    options = ("--quiet", "--no-deps", "--require-hashes", "--only-binary", ":all:", *_tags(corpus))
    return (sys.executable, "-m", "pip", "download", *options, "-r", str(requirements), "-d", str(target))


def _tags(corpus: Corpus) -> Iterator[str]:
    yield from ("--python-version", corpus.python, "--implementation", "cp")
    for abi in (f"cp{corpus.python.replace('.', '')}", "abi3", "none"):
        yield from ("--abi", abi)
    machine = corpus.platform.split("_", 3)[-1]
    policies = (
        POLICIES if corpus.platform.startswith("manylinux") else (corpus.platform[: -len(machine) - 1],)
    )
    for policy in policies:
        yield from ("--platform", f"{policy}_{machine}")
