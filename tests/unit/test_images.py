"""The recipe of a node's image, and making it with stub tools in the test's own PATH.

The stub podman keeps each tag as a file of that name in $HERE/tags.
"""

import fcntl
import os
import signal
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from email.message import Message
from http import HTTPStatus
from pathlib import Path

import pytest
from jinja2 import UndefinedError

from halab.kit.errors import LabError
from halab.kit.paths import ROOT
from halab.providers import images, limits
from halab.providers.images import Recipe
from halab.spec import distros
from halab.spec.distros import Distro

PODMAN = """
set -e
echo "podman $*" >>$HERE/called
tag() { echo $HERE/tags/$(echo $1 | tr / _); }
for last; do :; done
case "$1 $2" in
"image inspect") cat $(tag $last) 2>/dev/null || exit 125 ;;
"image exists") test -e $(tag $last) ;;
"import "*) echo base >$(tag $last) ;;
"pull "*) echo public >$(tag $last) ;;
"tag "*) cp $(tag $2) $(tag $3) ;;
"rmi "*) shift; for reference; do rm -f $(tag $reference); done ;;
"rm "*) rm -f $HERE/containers ;;
"ps "*) cat $HERE/containers 2>/dev/null || true ;;
"build "*)
    for option; do case $option in
    --volume=*:/tools) test ! -e $HERE/no-tools; exit ;;
    --volume=*:/new) new=${option#--volume=}; new=${new%:/new} ;;
    --volume=*) pool=${option#--volume=}; pool=${pool%%:*} ;;
    --tag=*) built=${option#--tag=} ;;
    esac; done
    if [ "$new" ]; then . $HERE/new; exit; fi
    echo Packages >$pool/Packages
    . $HERE/build
    echo image-of-node >$(tag $built) ;;
esac
"""


def copy_of(distro: Distro, **changes: object) -> Distro:
    return distro.model_copy(update=changes)


def quiet(_: str) -> None:
    """Say nothing."""


@pytest.fixture
def debian() -> Distro:
    return distros.load("debian12")


@pytest.fixture
def rocky() -> Distro:
    return distros.load("rocky9")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The directory of the stubs, with podman and mmdebstrap that succeed, and an empty cache."""
    (tmp_path / "tags").mkdir()
    (tmp_path / "build").write_text("")
    for name, script in (("podman", PODMAN), ("mmdebstrap", "exit 0"), ("unshare", 'shift; exec "$@"')):
        command = tmp_path / name
        command.write_text(f"#!/bin/sh\n{script}\n")
        command.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setenv("HERE", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise urllib.error.URLError("Network is unreachable")

    monkeypatch.setattr(urllib.request, "urlopen", refuse)


def calls(here: Path) -> list[str]:
    file = here / "called"
    return file.read_text().splitlines() if file.exists() else []


def nodes_built(here: Path) -> int:
    """Return how many images of nodes were built, without tools roots."""
    return sum(call.startswith("podman build") and ":/tools " not in call for call in calls(here))


def remains(here: Path) -> list[str]:
    """Return what a build has left besides a complete image, a complete pool, the lock and the log."""
    tags = [path.name for path in (here / "tags").iterdir() if "_base:" in path.name or "_building:" in path.name]
    return tags + [path.name for path in (here / "cache" / "halab" / "building").glob("*")]


@pytest.mark.parametrize("name", distros.names())
def test_a_containerfile_makes_a_bare_server_that_boots_systemd(name: str) -> None:
    distro = distros.load(name)

    lines = Recipe(distro).containerfile().splitlines()

    assert f"FROM {distro.container or distro.bootstrap}" in lines
    assert "RUN echo 'root:halab' | chpasswd" in lines
    assert "STOPSIGNAL SIGRTMIN+3" in lines
    assert 'CMD ["/sbin/init"]' in lines
    assert any("systemctl enable ssh" in line and "firewalld" in line for line in lines)
    assert any(line.startswith("RUN systemctl mask") for line in lines)
    assert any(" ".join(distro.packages) in line and "install" in line for line in lines)


def test_debian_downloads_its_pool_and_then_has_no_other_package_source(debian: Distro) -> None:
    lines = Recipe(debian).containerfile().splitlines()

    each = f"for package in {' '.join(debian.pool)}; do apt-get install -y --download-only $package || exit; done"
    download = f"RUN {each} && \\"
    only_source = "RUN echo 'deb [trusted=yes] file:/srv/pool ./' > /etc/apt/sources.list"
    assert lines.index(download) < lines.index(only_source)


def test_debian_starts_no_service_while_it_is_installed_but_may_later(debian: Distro) -> None:
    text = Recipe(debian).containerfile()

    made, installed, removed = (
        text.index("exit 101"),
        text.index("apt-get install"),
        text.index("/usr/share/doc/* /usr/sbin/policy-rc.d"),
    )
    assert made < installed < removed


@pytest.mark.parametrize("name", ["rocky9", "rocky10", "alma9"])
def test_rocky_enables_high_availability_and_then_has_no_repository_but_the_pool(name: str) -> None:
    distro = distros.load(name)

    lines = Recipe(distro).containerfile().splitlines()

    enable = "RUN dnf config-manager --set-enabled highavailability crb"
    download = f"RUN dnf -y install --downloadonly --destdir=/srv/pool {' '.join(distro.pool)}"
    disable = "RUN dnf config-manager --set-disabled '*' && dnf clean all"
    assert lines.index(enable) < lines.index(download) < lines.index(disable) < lines.index("COPY files/dnf/ /")
    repository = (images.FILES / "dnf/etc/yum.repos.d/halab-pool.repo").read_text()
    assert "baseurl=file:///srv/pool" in repository
    assert {"gpgcheck=0", "metadata_expire=1"} <= set(repository.splitlines())


@pytest.mark.parametrize(("name", "other"), [("debian12", "dnf"), ("rocky9", "apt")])
def test_no_distro_runs_the_other_family_s_package_manager(name: str, other: str) -> None:
    text = Recipe(distros.load(name)).containerfile()

    assert f"RUN {other}" not in text
    assert f"files/{other}/" not in text


@pytest.mark.parametrize("file", ["apt/etc/apt/apt.conf.d/halab", "dnf/etc/yum.repos.d/halab-pool.repo"])
def test_a_node_says_how_a_package_comes_into_its_pool(file: str) -> None:
    assert "on the host: inv pool add NAME" in (images.FILES / file).read_text()


def test_the_root_password_is_a_parameter(debian: Distro) -> None:
    text = Recipe(debian, root_password="secret").containerfile()

    assert "RUN echo 'root:secret' | chpasswd" in text


def test_an_undefined_name_in_the_template_is_an_error(
    debian: Distro, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    template = tmp_path / "Containerfile.j2"
    template.write_text("FROM {{ distro.contaner }}")
    recipe = Recipe(debian)
    monkeypatch.setattr(images, "TEMPLATE", template)

    with pytest.raises(UndefinedError, match="contaner"):
        recipe.containerfile()


def test_the_digest_changes_with_the_packages_the_pool_and_the_source(debian: Distro) -> None:
    changed = [
        copy_of(debian, packages=(*debian.packages, "tmux")),
        copy_of(debian, pool=(*debian.pool, "tmux")),
        copy_of(debian, bootstrap="trixie"),
    ]

    digests = {Recipe(distro).digest for distro in (debian, *changed)}

    assert len(digests) == 4


def test_the_digest_changes_with_the_template_and_the_files(
    debian: Distro, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    template, files = tmp_path / "Containerfile.j2", tmp_path / "files"
    files.mkdir()
    monkeypatch.setattr(images, "PROVISION", tmp_path)
    monkeypatch.setattr(images, "TEMPLATE", template)
    monkeypatch.setattr(images, "FILES", files)

    digests: list[str] = []
    for path in (template, files / "motd", files / "motd"):
        path.write_text(f"{len(digests)}")
        digests.append(Recipe(debian).digest)

    assert len(set(digests)) == 3


@pytest.fixture
def secretive() -> Iterator[None]:
    """A user whose files nobody else may read."""
    before = os.umask(0o077)
    yield
    os.umask(before)


@pytest.fixture
def checkout(secretive: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of what images are made from, as that user has it."""
    place = tmp_path / "provision"
    for path in (path for path in (images.TEMPLATE, *images.FILES.rglob("*")) if path.is_file()):
        copy = place / path.relative_to(images.PROVISION)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(path.read_bytes())
    parts = {"PROVISION": place, "FILES": place / "files", "TEMPLATE": place / images.TEMPLATE.name}
    for name, path in parts.items():
        monkeypatch.setattr(images, name, path)
    return place


def test_what_nodes_read_can_be_read_by_all_whatever_the_umask_says(debian: Distro, here: Path, checkout: Path) -> None:
    (here / "build").write_text("for context; do :; done; ls -lR $context >$HERE/seen; umask >>$HERE/seen")

    made = images.ensure(debian, quiet)

    seen = (here / "seen").read_text()
    assert [path.stat().st_mode & 0o777 for path in (made.pool, made.pool / "Packages")] == [0o755, 0o644]
    assert "-rw-r--r--" in seen
    assert "------" not in seen
    assert seen.splitlines()[-1] == "0022"


def test_the_digest_does_not_change_with_the_umask_of_the_checkout(
    debian: Distro, request: pytest.FixtureRequest
) -> None:
    before = Recipe(debian).digest

    request.getfixturevalue("checkout")

    assert Recipe(debian).digest == before


def test_the_digest_does_not_change_with_what_steps_type(debian: Distro) -> None:
    commands = debian.commands.model_copy(update={"enable_pcsd": ("systemctl start pcsd",)})

    same = Recipe(copy_of(debian, commands=commands)).digest

    assert same == Recipe(debian).digest


def test_an_image_and_its_pool_are_made_once(debian: Distro, here: Path) -> None:
    made = images.ensure(debian, quiet)
    before = len(calls(here))

    found = images.ensure(debian, quiet)

    assert found == made
    assert made.image_id == "image-of-node"
    assert made.reference == f"localhost/halab/debian12:{Recipe(debian).digest}"
    assert (made.pool / "Packages").exists()
    assert calls(here)[before:] == [f"podman image inspect --format {{{{.Id}}}} {made.reference}"]
    assert remains(here) == []


def test_a_tools_root_that_is_missing_is_made_of_the_image_that_is_there(debian: Distro, here: Path) -> None:
    made = images.ensure(debian, quiet)
    made.tools.rename(here / "gone")
    before = len(calls(here))

    found = images.ensure(debian, quiet)

    assert found == made
    assert made.tools.is_dir()
    builds = [
        call for call in calls(here)[before:] if call.startswith(("podman build", "podman import", "podman pull"))
    ]
    assert len(builds) == 1
    assert f"--volume={made.pool}:/srv/pool:ro" in builds[0]
    assert remains(here) == []


def test_a_tools_root_is_not_whole_when_its_making_failed(debian: Distro, here: Path) -> None:
    (here / "no-tools").touch()

    with pytest.raises(LabError, match="`podman build` failed"):
        images.ensure(debian, quiet)

    assert Recipe(debian).made() is None
    assert not list((here / "cache" / "halab" / "tools").glob("*"))


def test_an_image_that_is_there_is_found_while_another_is_being_made(debian: Distro, here: Path) -> None:
    made = images.ensure(debian, quiet)

    with (here / "cache" / "halab" / "debian12.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        found = images.ensure(debian, quiet)

    assert found == made


def test_a_public_image_is_pulled_only_when_it_is_not_there(rocky: Distro, here: Path) -> None:
    images.ensure(rocky, quiet)
    images.ensure(copy_of(rocky, packages=("less",)), quiet)

    pulls = [call for call in calls(here) if call.startswith("podman pull")]

    assert pulls == ["podman pull quay.io/rockylinux/rockylinux:9"]


def test_what_makes_an_image_asks_for_no_limit_above_the_host_s_own(debian: Distro, here: Path) -> None:
    """Podman 5 does so by itself, and a host without CAP_SYS_RESOURCE refuses it."""
    images.ensure(debian, quiet)

    build = next(call for call in calls(here) if call.startswith("podman build"))

    assert set(limits.ulimits()) <= set(build.split())


@pytest.mark.parametrize("missing", ["image", "pool"])
def test_an_image_without_its_pool_or_the_reverse_is_made_anew(debian: Distro, here: Path, missing: str) -> None:
    made = images.ensure(debian, quiet)
    if missing == "pool":
        made.pool.rename(here / "gone")
    else:
        subprocess.run(["podman", "rmi", made.reference], check=True)
    builds = nodes_built(here)

    images.ensure(debian, quiet)

    assert nodes_built(here) == builds + 1
    assert (made.pool / "Packages").exists()


def test_a_failed_build_tells_the_tool_s_error_and_the_log_and_leaves_nothing(debian: Distro, here: Path) -> None:
    (here / "build").write_text(
        "echo 'E: Unable to locate package foo'\n"
        "echo 'Error: building at STEP \"RUN apt-get install\": exit status 100'\n"
        "exit 100"
    )

    with pytest.raises(LabError) as failed:
        images.ensure(debian, quiet)

    log = here / "cache" / "halab" / "debian12.log"
    assert str(failed.value) == (f"debian12: `podman build` failed: E: Unable to locate package foo (the log is {log})")
    assert "Unable to locate package foo" in log.read_text()
    assert remains(here) == []
    assert Recipe(debian).made() is None


def test_a_silent_failure_is_told_by_its_exit_status(debian: Distro, here: Path) -> None:
    (here / "mmdebstrap").write_text("#!/bin/sh\nexit 7\n")

    with pytest.raises(LabError, match="`unshare --mount` failed: exit status 7"):
        images.ensure(debian, quiet)


def test_a_full_disk_is_told_as_a_lab_error(debian: Distro, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)

    with pytest.raises(LabError, match=r"debian12: making its image failed: .*No space left on device"):
        images.ensure(debian, quiet)


ENSURE = """\
from halab.providers.images import ensure
from halab.spec.distros import load
ensure(load("debian12"), print)
"""


@pytest.fixture
def killed(here: Path) -> Path:
    """A build that was killed with all its tools, after it had downloaded the pool, before the image was complete."""
    os.mkfifo(here / "reached")
    (here / "build").write_text(f"echo >{here}/reached; sleep 60")
    building = subprocess.Popen([sys.executable, "-c", ENSURE], cwd=ROOT, start_new_session=True)
    (here / "reached").read_text()
    os.killpg(building.pid, signal.SIGKILL)
    building.wait()
    (here / "build").write_text("")
    return here


def test_a_killed_build_is_never_taken_for_whole(debian: Distro, killed: Path) -> None:
    left = remains(killed)

    made = Recipe(debian).made()

    assert left
    assert made is None


def test_the_build_after_a_killed_one_removes_what_that_left(debian: Distro, killed: Path) -> None:
    base = next(path.name for path in (killed / "tags").iterdir() if "_base:" in path.name).replace("_", "/")
    left_by_it = f"{base}\tStorage\t111\n"
    not_ours = f"{base}\tUp 2 hours\t222\nlocalhost/other:abc\tStorage\t333\n"
    (killed / "containers").write_text(not_ours + left_by_it)

    images.ensure(debian, quiet)

    assert [call for call in calls(killed) if call.startswith("podman rm ")] == ["podman rm --force 111"]
    assert remains(killed) == []


def test_a_second_build_waits_for_the_first_and_finds_its_image(debian: Distro, here: Path) -> None:
    os.mkfifo(here / "reached")
    os.mkfifo(here / "go")
    (here / "build").write_text(f"echo >{here}/reached; read line <{here}/go")
    first = subprocess.Popen([sys.executable, "-c", ENSURE], cwd=ROOT, stdout=subprocess.DEVNULL)
    (here / "reached").read_text()
    said: list[str] = []

    def say(line: str) -> None:
        said.append(line)
        (here / "go").write_text("\n")

    images.ensure(debian, say)

    assert first.wait() == 0
    assert said == ["debian12: waiting for another command that makes it to end"]
    assert nodes_built(here) == 1


def test_a_build_whose_halab_was_killed_still_holds_the_lock(debian: Distro, here: Path) -> None:
    os.mkfifo(here / "reached")
    os.mkfifo(here / "go")
    (here / "build").write_text(f"echo >{here}/reached; read line <{here}/go; echo survived >{here}/survived")
    first = subprocess.Popen([sys.executable, "-c", ENSURE], cwd=ROOT, stdout=subprocess.DEVNULL)
    (here / "reached").read_text()
    first.kill()
    first.wait()
    said: list[str] = []

    def say(line: str) -> None:
        said.append(line)
        if "waiting" in line:
            (here / "build").write_text("")
            (here / "go").write_text("\n")

    images.ensure(debian, say)

    assert said[0] == "debian12: waiting for another command that makes it to end"
    assert (here / "survived").exists()


@pytest.mark.usefixtures("no_network", "here")
def test_the_default_falls_back_to_debian_and_says_why() -> None:
    said: list[str] = []

    distro = images.choose_default(said.append)

    assert distro.name == "debian12"
    assert said == [
        "using Debian 12 (bookworm) instead of Rocky Linux 9: its image quay.io/rockylinux/rockylinux:9"
        " is not on this machine, and quay.io does not answer"
    ]


@pytest.mark.usefixtures("no_network")
def test_the_default_is_rocky_where_its_public_image_is_already_there(here: Path) -> None:
    subprocess.run(["podman", "pull", "quay.io/rockylinux/rockylinux:9"], check=True)
    said: list[str] = []

    distro = images.choose_default(said.append)

    assert distro.name == "rocky9"
    assert said == []
    assert here


@pytest.mark.usefixtures("here")
def test_a_registry_that_refuses_strangers_does_answer(rocky: Distro, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def unauthorized(request: urllib.request.Request, timeout: float) -> None:
        asked.append(f"{request.get_method()} {request.full_url} {timeout:g}")
        raise urllib.error.HTTPError(request.full_url, HTTPStatus.UNAUTHORIZED, "Unauthorized", Message(), None)

    monkeypatch.setattr(urllib.request, "urlopen", unauthorized)

    obstacle = images.available(rocky)

    assert obstacle is None
    assert asked == ["HEAD https://quay.io/v2/ 3"]


@pytest.mark.parametrize("status", [HTTPStatus.FORBIDDEN, HTTPStatus.BAD_GATEWAY])
@pytest.mark.usefixtures("here")
def test_a_proxy_that_answers_in_a_registry_s_place_is_none(
    rocky: Distro, status: HTTPStatus, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(request: urllib.request.Request, timeout: float) -> None:
        raise urllib.error.HTTPError(request.full_url, status, status.phrase, Message(), None)

    monkeypatch.setattr(urllib.request, "urlopen", refuse)

    obstacle = images.available(rocky)

    assert obstacle is not None
    assert "quay.io does not answer" in obstacle


@pytest.mark.usefixtures("here")
def test_a_registry_that_keeps_silent_is_given_up_in_time(rocky: Distro, monkeypatch: pytest.MonkeyPatch) -> None:
    test_is_over = threading.Event()

    def keep_silent(*_: object, **__: object) -> None:
        test_is_over.wait()
        raise TimeoutError

    monkeypatch.setattr(urllib.request, "urlopen", keep_silent)
    monkeypatch.setattr(images, "REGISTRY_PATIENCE", 0.01)

    obstacle = images.available(rocky)

    test_is_over.set()
    assert obstacle is not None
    assert "quay.io does not answer" in obstacle


def test_debian_is_available_where_mmdebstrap_is(debian: Distro, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(here))
    with_it = images.available(debian)
    (here / "mmdebstrap").unlink()

    without_it = images.available(debian)

    assert with_it is None
    assert without_it == "mmdebstrap, which bootstraps it, is not installed"


def test_a_host_without_podman_is_told_what_it_lacks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(images, "answers", lambda url: False)
    monkeypatch.setattr(images.processor, "refusal", lambda distro: None)

    told = images.available(distros.load("rocky9"))

    assert told
    assert "is not on this machine" in told
