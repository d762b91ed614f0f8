"""Making what is carried the first time: our bundle, and what others would carry in its stead."""

import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.bench.corpora import locked, with_one_changed
from tests.bench.measure import cost_of
from tests.bench.ours import AIRLOCK, Project, download, write_manifest
from tests.bench.sizes import TAR, size_of, unpack
from tests.bench.steps import Done, Runner, Step

ZSTD = "zstd -19 --long=31 -qf -o out"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundles:
    """The new side of a change. `work` keeps what is prepared and not measured."""

    project: Project
    work: Path

    def steps(self) -> Iterator[Step]:
        if self.project.corpus.requirements:
            yield Step(name="lock, cold", tools={"airlock": self.lock_ours, "uv pip compile": self.lock_uv})
        yield Step(name="build, wheels in the store", tools={"airlock": self.build()})
        yield Step(
            name="build, wheels in the store",
            tools={
                "airlock --smallest": self.smallest(),
                "tar and zstd -19 --long=31 of the wheels": self.tar_of(self.project.wheels("new")),
                "tar and zstd -19 --long=31 of the unpacked tree": self.tar_of(self.tree()),
                "pex": self.pex(),
            },
            once=True,
        )
        yield Step(name="build, nothing changed", tools={"airlock": self.build_again})
        yield Step(name="build, one small wheel changed", tools={"airlock": self.build_changed()})
        yield Step(name="download", tools={"pip download": self.download}, once=True)

    # --- lock

    def lock_ours(self, place: Path) -> Done:
        corpus = self.project.corpus
        assert corpus.requirements
        wanted = corpus.requirements.read_text().split()
        write_manifest(place / "airlock.toml", corpus, "1.0.0", wanted, corpus.cutoff)
        return Done(cost=self.project.airlock("lock", cache=place / "cache", directory=place))

    def lock_uv(self, place: Path) -> Done:
        corpus = self.project.corpus
        words = ["uv", "pip", "compile", "--no-progress", "--generate-hashes", "--only-binary", ":all:"]
        words += ["--python-version", corpus.python, "--python-platform", uv_platform(corpus.platform)]
        words += ["--exclude-newer", corpus.cutoff] if corpus.cutoff else []
        return Done(
            cost=cost_of((*words, str(corpus.requirements)), place, {"UV_CACHE_DIR": str(place / "uv-cache")})
        )

    # --- build

    def fetched(self) -> Path:
        """A cache with the wheels of the new lock, and of the new lock with one wheel changed, and nothing made of them."""
        cache = self.work / "fetched"
        if not cache.exists():
            for lock in ("new.lock", *self.changed_lock()):
                self.project.airlock("fetch", "--lock", lock, cache=cache)
        return cache

    def built(self) -> Path:
        """The same after a build of the new lock."""
        cache = self.work / "built"
        if not cache.exists():
            copy(self.fetched(), cache)
            self._build(self.work, cache, "new.lock")
        return cache

    def changed_lock(self) -> tuple[str, ...]:
        texts = (self.project.lock_path(side).read_text() for side in ("old", "new"))
        changed = with_one_changed(*texts)
        if not changed:
            return ()
        (self.project.place / "changed.lock").write_text(changed[0])
        return ("changed.lock",)

    def _build(self, place: Path, cache: Path, lock: str, *options: str) -> Done:
        output = place / "dist"
        cost = self.project.airlock(
            "build", "--offline", "--lock", lock, "-o", str(output), *options, cache=cache
        )
        size = size_of(next(output.glob("*.airlock")))
        shutil.rmtree(output)
        return Done(cost=cost, bytes=size)

    def build(self, *options: str) -> Runner:
        def run(place: Path) -> Done:
            copy(self.fetched(), place / "cache")
            return self._build(place, place / "cache", "new.lock", *options)

        return run

    def smallest(self) -> Runner | str:
        helped = subprocess.run((*AIRLOCK, "build", "--help"), check=True, capture_output=True, text=True)
        return self.build("--smallest") if "--smallest" in helped.stdout else "this airlock has no --smallest"

    def build_again(self, place: Path) -> Done:
        return self._build(place, self.built(), "new.lock")

    def build_changed(self) -> Runner | str:
        if not self.changed_lock():
            return "no wheel changed"

        def run(place: Path) -> Done:
            copy(self.built(), place / "cache")
            return self._build(place, place / "cache", "changed.lock")

        return run

    # --- what others carry

    def tree(self) -> Path:
        tree = self.work / "tree"
        if not tree.exists():
            unpack(self.project.wheels("new"), tree)
        return tree

    def tar_of(self, directory: Path) -> Runner:
        def run(place: Path) -> Done:
            cost = cost_of(("sh", "-c", f"{' '.join(TAR)} -C {directory} -cf - . | {ZSTD}"), place)
            return Done(cost=cost, bytes=size_of(place / "out"))

        return run

    def pex(self) -> Runner | str:
        program = shutil.which("pex")
        if not program:
            return "pex not installed"

        def run(place: Path) -> Done:
            wheels = self.project.wheels("new")
            options = ("--intransitive", "--no-pypi", "--find-links", str(wheels), "-o", "out.pex")
            named = [str(path) for path in sorted(wheels.glob("*.whl"))]
            cost = cost_of((program, *options, *named), place, {"PEX_ROOT": str(place / "pex-root")})
            return Done(cost=cost, bytes=size_of(place / "out.pex"))

        return run

    def download(self, place: Path) -> Done:
        rows = locked(self.project.lock_path("new").read_text())
        cost = cost_of((*download(rows, self.project.corpus, place / "wheels"), "--no-cache-dir"), place)
        return Done(cost=cost, bytes=size_of(place / "wheels"))


def copy(cache: Path, target: Path) -> None:
    """Of a cache whose files are replaced and never written to: by links."""
    subprocess.run(("cp", "-al", str(cache), str(target)), check=True)


def uv_platform(platform: str) -> str:
    """`manylinux_2_28_x86_64` as uv spells it."""
    family, machine = (
        platform.rsplit("_", 1) if not platform.endswith("x86_64") else (platform[:-7], "x86_64")
    )
    return f"{machine}-{family}"
