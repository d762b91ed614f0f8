"""docs/trust.md tells what happens."""

from pathlib import Path

import pytest

from tests.trust_page import PAGE, comparable, ran


def test_the_page_on_trust_is_what_its_commands_print(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("SOURCE_DATE_EPOCH", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)
    page = PAGE.read_text()
    assert comparable(ran(page, tmp_path)) == comparable(page)
