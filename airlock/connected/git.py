"""What git knows while it runs a merge driver: the three versions of a file beside the one that is merged."""

import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

HEADS = ("MERGE_HEAD", "CHERRY_PICK_HEAD", "REBASE_HEAD", "REVERT_HEAD")


@dataclass(frozen=True, slots=True, kw_only=True)
class Merge:
    """`environment` is that of the driver, `path` that of the file that it merges, from the top of the working tree."""

    environment: Mapping[str, str]
    path: str

    def beside(self, path: str, theirs: bytes) -> bytes | None:
        """The merge of another file, by lines, as git will do it too; `theirs` is the other side of the file that the
        driver was called for. None where the sides cannot be found, or contradict each other."""
        other = next((one for one in self._candidates() if self._show(f"{one}:{self.path}") == theirs), None)
        if other is None:
            return None
        base = self._base(other)
        versions = [self._show(f"{commit}:{path}") for commit in ("HEAD", base, other)]
        if versions[0] is None or versions[2] is None:
            return None
        with tempfile.TemporaryDirectory() as folder:
            names = []
            for number, data in enumerate(versions):
                file = Path(folder, str(number))
                file.write_bytes(data or b"")
                names.append(str(file))
            done = self._git("merge-file", "-p", *names)
        return done.stdout if done.returncode == 0 else None

    def _candidates(self) -> Iterator[str]:
        """Commits that may be the other side."""
        yield from (name.removeprefix("GITHEAD_") for name in self.environment if name.startswith("GITHEAD_"))
        yield from HEADS
        folder = self._git("rev-parse", "--git-path", "rebase-merge/done").stdout.decode().strip()
        if folder and Path(folder).is_file():
            lines = Path(folder).read_text("utf-8", "replace").splitlines()
            yield from (word for line in reversed(lines[-1:]) for word in line.split()[1:2])

    def _base(self, other: str) -> str:
        """What `other` changed: against the common ancestor in a merge, against its parent where it is replayed."""
        if any(name == f"GITHEAD_{other}" for name in self.environment) or other == "MERGE_HEAD":
            return self._git("merge-base", "HEAD", other).stdout.decode().strip() or "HEAD"
        return f"{other}^"

    def _show(self, name: str) -> bytes | None:
        done = self._git("show", name)
        return done.stdout if done.returncode == 0 else None

    def _git(self, *arguments: str) -> "subprocess.CompletedProcess[bytes]":
        return subprocess.run(
            ("git", *arguments), env=dict(self.environment), capture_output=True, check=False
        )
