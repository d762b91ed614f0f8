"""The status of a site as a page: what runs, since when, who signed it, and what can be rolled back to."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from airlock.airgapped.pages import date
from airlock.airgapped.status import status
from airlock.airgapped.status_page import site_page, status_page
from airlock.errors import TargetError
from airlock.formats.trust import short_form
from tests.browser import PROGRAM, Browser, browser
from tests.far.bundles import NOW, Trust, bundle, file_item, later, put, site_at
from tests.report.dossiers import place_in


@pytest.fixture
def trust() -> Trust:
    return Trust.new()


def release(trust: Trust, number: int) -> object:
    data = bundle([file_item("share/banner", bytes([number]))], version=f"{number}.0")
    return trust.verified(data, counter=number)


def test_it_says_what_runs_and_what_can_be_rolled_back_to(trust: Trust, tmp_path: Path) -> None:
    site = site_at(tmp_path / "site")
    for number in (1, 2):
        put(site, release(trust, number), later(60 * number))  # type: ignore[arg-type]
    page = site_page(site)
    assert "<h1>gateway 2.0</h1>" in page
    assert f"<b>{date(NOW + 120)}</b>" in page, "since when"
    assert f"{trust.key.public_key.keyid[:16]}…" in page
    current, earlier = site.generation(2), site.generation(1)
    assert f'<div class="digits">{short_form(current.index)}</div>' in page
    assert f'<td class="mono">{short_form(earlier.index)}</td>' in page
    assert "<b>generation 1</b>" in page


def test_with_one_generation_there_is_nothing_to_go_back_to(trust: Trust, tmp_path: Path) -> None:
    site = site_at(tmp_path / "site")
    put(site, release(trust, 1))  # type: ignore[arg-type]
    assert "no earlier generation is kept" in site_page(site)
    assert "not yet" in site_page(site), "the audit"


def test_the_same_site_gives_the_same_page(trust: Trust, tmp_path: Path) -> None:
    site = site_at(tmp_path / "site")
    put(site, release(trust, 1))  # type: ignore[arg-type]
    assert site_page(site) == site_page(site)
    assert "<script" not in site_page(site)


def test_a_journal_that_was_changed_is_told_first(trust: Trust, tmp_path: Path) -> None:
    site = site_at(tmp_path / "site")
    put(site, release(trust, 1))  # type: ignore[arg-type]
    journal = next((tmp_path / "site" / "state").glob("journal*"))
    journal.write_bytes(journal.read_bytes().replace(b'"outcome":"done"', b'"outcome":"fine"'))
    page = site_page(site)
    assert page.index('<span class="tag bad">journal</span>') < page.index('class="verdict"')


def test_what_would_turn_the_direction_of_a_line_is_spelt_out(trust: Trust, tmp_path: Path) -> None:
    site = site_at(tmp_path / "site")
    put(site, release(trust, 1))  # type: ignore[arg-type]
    act = replace(site.sound_journal()[0].acts[-1], detail="<b>\u202efdp.exe")
    page = status_page(status(site), (), (act,), has_check=False)
    assert "&lt;b&gt;\\u202efdp.exe" in page


def test_a_site_with_nothing_has_no_page(tmp_path: Path) -> None:
    with pytest.raises(TargetError, match="nothing is installed here"):
        site_page(site_at(tmp_path / "site"))


def test_the_command_writes_it(tmp_path: Path) -> None:
    place = place_in(tmp_path)
    place.shell.airlock("install", "old.airlock", "--root", "site", "--trust", "trust.json")
    told = place.shell.airlock("status", "--root", "site", "--html", "status.html").stdout
    assert told.startswith("gateway 1.0, generation 1\n"), "and tells it as ever"
    assert "<h1>gateway 1.0</h1>" in (tmp_path / "status.html").read_text()


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    if PROGRAM is None:
        pytest.skip("there is no Chromium here")
    with browser(tmp_path_factory.mktemp("browser")) as found:
        yield found


@pytest.mark.parametrize("width", [1280, 360])
def test_it_is_read_on_a_desk_and_on_a_phone(
    trust: Trust, tmp_path: Path, chromium: Browser, width: int
) -> None:
    site = site_at(tmp_path / "site")
    for number in (1, 2):
        put(site, release(trust, number), later(number))  # type: ignore[arg-type]
    (tmp_path / "status.html").write_text(site_page(site))
    chromium.open(tmp_path / "status.html", width)
    assert chromium.asked == []
    assert chromium.evaluate("document.documentElement.scrollWidth") == width
    (tmp_path / f"{width}.png").write_bytes(chromium.screenshot(width, 1100))
