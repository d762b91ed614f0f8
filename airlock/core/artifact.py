"""What a lockfile pins and a bundle carries."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from airlock.core.digest import Digest


@dataclass(frozen=True, slots=True, kw_only=True)
class Artifact:
    """One pinned thing. `digest` and `size` (bytes) are those of the original file, and are its identity."""

    kind: str
    name: str
    """The normalised project name of a wheel, the destination of a file or configuration."""
    version: str
    """Empty for kinds without versions."""
    file: str
    """The original file name."""
    size: int
    digest: Digest
    placement: Mapping[str, str] = field(default_factory=dict)
    """What the kind must know to place it on the target, such as `destination` and `mode`; crosses the gap."""
    origin: Mapping[str, str] = field(default_factory=dict)
    """Where the near side gets it, such as `index`, `path`, `url` or `text`; stays in the lockfile."""

    @property
    def key(self) -> tuple[str, str]:
        """What two versions of one thing have in common."""
        return self.kind, self.name

    @property
    def label(self) -> str:
        """How messages name it."""
        return f"{self.kind} {self.name} {self.version}".rstrip()


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthCheck:
    """A command run in the new generation after the switch; a failure switches back."""

    command: tuple[str, ...]
    """The program, looked up in the generation's `bin` first, and its arguments."""
    timeout: int
    """Seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Activation:
    """A command that hands a part of a generation to something outside of it, such as a container engine, and one that reads
    back what became of it. Both run in the generation after the switch to it, also by a rollback, and may run again: what they
    do twice must be what they do once."""

    artifact: str
    """The label of the artifact that it is for."""
    command: tuple[str, ...]
    check: tuple[str, ...]
    expected: tuple[str, ...]
    """Each is a whole line of what `check` prints."""
    timeout: int
    """Seconds, for each of the two."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    name: str
    version: str
    """A PEP 440 version."""


SMALLEST = 19
"""The zstd level behind `--smallest`; from here on frames look back as far as a reader may be asked to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoder:
    """What made the frames. Frames are bit-for-bit the same only from the same encoder."""

    name: str
    version: str
    level: int
    codecs: str = "portable/1"
    """The set of codecs that expanded forms rest on, a name in `core.codecs`."""
