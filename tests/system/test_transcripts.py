"""Runs each file of transcripts/ against a private daemon; harness/transcript.py tells their form."""
import pathlib

import pytest

from harness import transcript

FILES = sorted((pathlib.Path(__file__).parent / "transcripts").glob("*.txt"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_transcript(path, daemon, guest_assets, scratch):
    transcript.run(path, daemon, scratch)
