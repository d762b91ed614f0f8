"""The dossier in a browser that has no network: what people see at a desk and on a phone."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.browser import PROGRAM, Browser, browser
from tests.report.dossiers import FULL, place_in

pytestmark = [
    pytest.mark.skipif(PROGRAM is None, reason="there is no Chromium here"),
    pytest.mark.xdist_group("browser"),
]

WIDTHS = (1280, 360)


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with browser(tmp_path_factory.mktemp("browser")) as found:
        yield found


@pytest.fixture(scope="module")
def dossier(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = place_in(tmp_path_factory.mktemp("page"))
    place.shell.airlock(*FULL, "-o", "dossier.html")
    return place.folder / "dossier.html"


@pytest.mark.parametrize("width", WIDTHS)
def test_it_asks_for_nothing(chromium: Browser, dossier: Path, width: int) -> None:
    chromium.open(dossier, width)
    assert chromium.asked == []


@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_is_wider_than_the_screen(chromium: Browser, dossier: Path, width: int) -> None:
    chromium.open(dossier, width)
    assert chromium.evaluate("document.documentElement.scrollWidth") == width
    assert (
        chromium.evaluate(
            "[...document.querySelectorAll('main *')].filter(e => !e.closest('svg') && e.getBoundingClientRect().right > innerWidth)"
            ".map(e => e.outerHTML.slice(0, 80))"
        )
        == []
    )


@pytest.mark.parametrize("width", WIDTHS)
def test_text_is_large_enough_to_read(chromium: Browser, dossier: Path, width: int) -> None:
    chromium.open(dossier, width)
    smallest = chromium.evaluate(
        "Math.min(...[...document.querySelectorAll('main *')].filter(e => !e.closest('svg') && e.innerText)"
        ".map(e => parseFloat(getComputedStyle(e).fontSize)))"
    )
    assert smallest >= 11


def test_it_says_at_the_top_what_decides(chromium: Browser, dossier: Path) -> None:
    chromium.open(dossier, 1280)
    cards = chromium.evaluate(
        "[...document.querySelectorAll('.verdict > div')].map(e => e.innerText.split('\\n').slice(0, 2).join(' '))"
    )
    assert cards == ["SIGNATURES verified", "CHANGES 6 artifacts", "AUDIT 1 error", "LICENCES 4 licences"]
    moods = chromium.evaluate("[...document.querySelectorAll('.verdict > div')].map(e => e.className)")
    assert moods == ["good", "care", "bad", "care"]
    lowest = chromium.evaluate("document.querySelector('.aloud').getBoundingClientRect().bottom")
    assert lowest < 900, "and the digest is on the first screen"


def test_the_digest_to_read_aloud_stands_there_in_groups(chromium: Browser, dossier: Path) -> None:
    chromium.open(dossier, 360)
    digits = chromium.evaluate("document.querySelector('.aloud .digits').innerText")
    assert len(digits.split()) == 4
    index = chromium.evaluate("document.querySelector('.aloud code').innerText")
    assert index.removeprefix("sha256:").startswith(digits.replace(" ", ""))


@pytest.mark.parametrize(("width", "shown"), [(1280, "wide"), (360, "narrow")])
def test_one_picture_of_sizes_is_shown_with_the_largest_first(
    chromium: Browser, dossier: Path, width: int, shown: str
) -> None:
    chromium.open(dossier, width)
    maps = chromium.evaluate(
        "[...document.querySelectorAll('svg.map')].filter(e => e.getBoundingClientRect().width).map(e => e.classList[1])"
    )
    assert maps == [shown]
    tiles = chromium.evaluate(f"[...document.querySelectorAll('svg.{shown} title')].map(e => e.textContent)")
    assert len(tiles) == 6
    areas = chromium.evaluate(
        f"[...document.querySelectorAll('svg.{shown} rect')].map(e => e.getAttribute('width') * e.getAttribute('height'))"
    )
    assert areas == sorted(areas, reverse=True)
    assert chromium.evaluate(f"document.querySelectorAll('svg.{shown} .same').length") == 1, "steady is pale"


def test_what_an_artifact_says_is_text_and_not_markup(chromium: Browser, dossier: Path) -> None:
    chromium.open(dossier, 1280)
    assert "Stays as it <is> & was" in chromium.evaluate("document.body.innerText")
    assert chromium.evaluate("document.querySelectorAll('script, img, iframe, link, object, is').length") == 0
