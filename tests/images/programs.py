"""Engines and tools as they are installed: what stock programs make and take."""

import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.manifests import write

NEEDED = ("docker-registry", "skopeo", "umoci", "buildah", "podman", "busybox")
MISSING = [name for name in NEEDED if shutil.which(name) is None]


def out_of(
    *command: str | Path, environment: Mapping[str, str] | None = None, cwd: Path | None = None
) -> str:
    done = subprocess.run(
        [str(part) for part in command],
        env=os.environ | dict(environment or {}),
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{command}: exit {done.returncode}\n{done.stderr}{done.stdout}"
    return done.stdout.strip()


@dataclass(frozen=True)
class Engine:
    """The storage of podman, buildah and skopeo, in a folder of its own, and how they speak to registries."""

    folder: Path
    insecure: str = ""
    """A registry that is spoken to without TLS."""

    @property
    def environment(self) -> dict[str, str]:
        storage = f"""[storage]
driver = "vfs"
graphroot = "{self.folder / "graph"}"
runroot = "{self.folder / "run"}"
"""
        registries = f'[[registry]]\nlocation = "{self.insecure}"\ninsecure = true\n' if self.insecure else ""
        write(self.folder / ".config/containers/registries.conf", registries)
        return {
            "CONTAINERS_STORAGE_CONF": str(write(self.folder / "storage.conf", storage)),
            "HOME": str(self.folder),
        }

    def run(self, program: str, *arguments: str) -> str:
        return out_of(program, *arguments, environment=self.environment)

    def has_line(self, image: str, path: str, line: str) -> bool:
        """Whether a file has that line, as a program in a container of the image sees it; the image is never fetched. Run by
        podman, or, where the kernel keeps it from that, by buildah, which loses output at times but no exit code."""
        command = ("busybox", "grep", "-qx", line, path)
        flags = ("--rm", "--pull", "never", "--network", "none", "--ulimit", "host")
        if self._code("podman", "--cgroup-manager", "cgroupfs", "run", *flags, image, *command) == 0:
            return True
        container = self.run("buildah", "from", "--pull-never", image)
        try:
            return self._code("buildah", "run", "--isolation", "chroot", container, *command) == 0
        finally:
            self.run("buildah", "rm", container)

    def _code(self, *command: str) -> int:
        done = subprocess.run(command, env=os.environ | self.environment, capture_output=True, check=False)
        return done.returncode


@dataclass(frozen=True)
class Workshop:
    """A layout that images are made in, by umoci from a busybox root."""

    layout: Path

    def image(self, name: str, *layers: Mapping[str, str], architecture: str = "amd64") -> None:
        """A root with busybox in it, and a layer for each of these."""
        if not self.layout.exists():
            out_of("umoci", "init", "--layout", self.layout)
        place = f"{self.layout}:{name}"
        out_of("umoci", "new", "--image", place)
        root = self.layout.parent / "busybox"
        if not root.exists():
            (root / "bin").mkdir(parents=True)
            shutil.copy(str(shutil.which("busybox")), root / "bin/busybox")
            (root / "bin/sh").symlink_to("busybox")
            (root / "bin/cat").symlink_to("busybox")
        self._insert(place, root)
        for number, files in enumerate(layers):
            folder = self.layout.parent / f"{name}-{number}"
            for path, text in files.items():
                write(folder / path, text)
            self._insert(place, folder)
        out_of("umoci", "config", "--image", place, "--architecture", architecture, "--os", "linux",
               "--config.cmd", "/bin/sh", "--created", "2026-01-01T00:00:00Z", "--no-history")  # fmt: skip

    @staticmethod
    def _insert(place: str, folder: Path) -> None:
        for path in sorted(folder.rglob("*")):
            os.utime(path, (1_767_225_600, 1_767_225_600), follow_symlinks=False)
        out_of("umoci", "insert", "--rootless", "--no-history", "--image", place, folder, "/")
