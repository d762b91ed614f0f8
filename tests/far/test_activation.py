"""What a bundle has run after the switch, and read back: an engine stands outside the site, and takes up what is current."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from airlock.airgapped.rollback import rollback
from airlock.airgapped.site import Site
from airlock.airgapped.status import history
from airlock.airgapped.switch import recover
from airlock.airgapped.verify import VerifiedBundle
from airlock.core.artifact import Activation, HealthCheck
from airlock.errors import TargetError
from tests.far.bundles import WORLD, Trust, bundle, file_item, later, put, site_at

TRUST = Trust.new()


class Engine:
    """A file outside the site, and a line for every time that something was put there."""

    def __init__(self, folder: Path) -> None:
        self.holds, self.log = folder / "engine", folder / "engine.log"

    def takes(self, number: int, *, reads: str = "", command: tuple[str, ...] = ()) -> Activation:
        script = f"cp share/version {self.holds} && echo {number} >> {self.log}"
        return Activation(
            artifact="file share/version",
            command=command or ("sh", "-c", script),
            check=("sh", "-c", f"echo and more; cat {self.holds}"),
            expected=(reads or f"version {number}",),
            timeout=20,
        )

    @property
    def taken(self) -> list[str]:
        return self.log.read_text().split()


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    return Engine(tmp_path)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return site_at(tmp_path / "site")


def version(number: int, *activation: Activation, health: HealthCheck | None = None) -> VerifiedBundle:
    item = file_item("share/version", f"version {number}\n".encode())
    data = bundle([item], version=f"{number}.0", activation=activation, health=health)
    return TRUST.verified(data, counter=number)


def test_the_engine_has_what_is_current(site: Site, engine: Engine) -> None:
    put(site, version(1, engine.takes(1)))
    assert engine.holds.read_text() == "version 1\n"
    put(site, version(2, engine.takes(2)), later(1))
    assert engine.holds.read_text() == "version 2\n"


def test_a_rollback_activates_again(site: Site, engine: Engine) -> None:
    put(site, version(1, engine.takes(1)))
    put(site, version(2, engine.takes(2)), later(1))
    rollback(site, None, later(2))
    assert engine.holds.read_text() == "version 1\n"
    assert engine.taken == ["1", "2", "1"]


@pytest.mark.parametrize(
    ("spoilt", "found"),
    [
        ({"command": ("sh", "-c", "echo no room; exit 3")}, "exit code 3 | no room"),
        ({"command": ("/no/such/engine",)}, "/no/such/engine: No such file"),
        (
            {"reads": "version 9"},
            "read back as something else: expected version 9, found and more | version 2",
        ),
    ],
)
def test_what_cannot_be_activated_is_not_kept(
    site: Site, engine: Engine, spoilt: dict[str, tuple[str, ...]], found: str
) -> None:
    put(site, version(1, engine.takes(1)))
    with pytest.raises(TargetError, match=r"file share/version could not be activated") as caught:
        put(site, version(2, engine.takes(2, **spoilt)), later(1))  # type: ignore[arg-type]
    assert found in str(caught.value)
    assert "generation 1 is in use again" in str(caught.value)
    assert [act.outcome for act in history(site)] == ["done", "reverted"]
    assert engine.holds.read_text() == "version 1\n", "what was in use before was activated again"


def test_a_failed_health_check_activates_what_was_in_use_before(site: Site, engine: Engine) -> None:
    put(site, version(1, engine.takes(1)))
    with pytest.raises(TargetError, match="health check failed"):
        put(site, version(2, engine.takes(2), health=HealthCheck(command=("false",), timeout=5)), later(1))
    assert engine.taken == ["1", "2", "1"]


def left_open(site: Site, outcome: str) -> None:
    """As if the power had gone before the last switch was written down, with the verdict `outcome` announced."""
    last = site.switches()[-1]
    journal = site.path("state/journal.jsonl")
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join(lines[:-1]))
    site.announce(replace(last, outcome=outcome))


def test_an_interrupted_activation_is_done_again(site: Site, engine: Engine) -> None:
    put(site, version(1, engine.takes(1)))
    put(site, version(2, engine.takes(2)), later(1))
    left_open(site, "")
    recover(site, WORLD)
    assert engine.taken == ["1", "2", "2"]
    assert site.current() == 2


@pytest.mark.parametrize("current", [1, 2])
def test_an_interrupted_revert_is_finished_and_activates_what_was_in_use_before(
    site: Site, engine: Engine, current: int
) -> None:
    put(site, version(1, engine.takes(1)))
    put(site, version(2, engine.takes(2)), later(1))
    left_open(site, "reverted")
    site.point_to(current)
    recover(site, WORLD)
    assert engine.taken == ["1", "2", "1"]
    assert site.current() == 1
    assert [act.outcome for act in site.switches()] == ["done", "reverted"]


def test_a_program_that_is_missing_is_told_before_anything_is_switched(site: Site, engine: Engine) -> None:
    put(site, version(1, engine.takes(1)))
    with pytest.raises(TargetError, match=r"no-such-engine, which hands it on .* is not on PATH"):
        put(site, version(2, engine.takes(2, command=("no-such-engine",))), later(1))
    assert [act.act for act in history(site)] == ["install"]
    assert engine.taken == ["1"]
    assert not site.path("generations/2").exists() and site.numbers() == (1,)


def test_a_program_that_is_gone_by_now_is_told_before_a_rollback(
    site: Site, engine: Engine, tmp_path: Path
) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/plant-engine").symlink_to("/bin/true")
    engine.holds.write_text("version 1\n")
    path = f"{tmp_path / 'bin'}:{os.defpath}"
    there = replace(WORLD, environment={**WORLD.environment, "PATH": path})
    put(site, version(1, engine.takes(1, command=("plant-engine",))), there)
    put(site, version(2), later(1))
    (tmp_path / "bin/plant-engine").unlink()
    with pytest.raises(TargetError, match=r"plant-engine, which hands it on .* is not on PATH"):
        rollback(site, None, replace(there, now=later(2).now))
    assert [act.act for act in history(site)] == ["install", "install"]
    assert site.numbers() == (1, 2)


def test_a_program_may_be_the_generations_own(site: Site, engine: Engine) -> None:
    data = bundle(
        [
            file_item("share/version", b"version 1\n"),
            file_item("bin/own-engine", b"#!/bin/sh\n", mode="0755"),
        ],
        activation=(engine.takes(1, reads="and more", command=("own-engine",)),),
    )
    engine.holds.write_text("")
    put(site, TRUST.verified(data))
    assert site.current() == 1
