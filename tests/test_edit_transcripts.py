"""What the usage family says on the command line."""

from pathlib import Path

import pytest

from tests.transcripts import check_transcript, transcripts

MANIFEST = """\
[project]
name = "plant"
version = "1"

[python]
requirements = ["numpy>=2"]
"""


@pytest.mark.parametrize("path", transcripts("usage"), ids=lambda path: path.stem)
def test_the_transcript_is_what_happens(path: Path, tmp_path: Path) -> None:
    (tmp_path / "airlock.toml").write_text(MANIFEST)
    check_transcript(path, tmp_path)
