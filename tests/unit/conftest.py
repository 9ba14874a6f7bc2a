"""What keeps unit tests apart from the user's own instances, images and settings."""

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def _own_directories(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    place: Path = tmp_path_factory.mktemp("xdg")
    monkeypatch.setenv("XDG_STATE_HOME", str(place / "state"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(place / "cache"))
    monkeypatch.delenv("HALAB_TIMEOUT_FACTOR", raising=False)
    monkeypatch.delenv("HALAB_DEBUG", raising=False)
