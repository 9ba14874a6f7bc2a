"""Signing: every change to a signed directory is found, and named."""

import json
import shutil
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from halab.cli import exam_commands
from halab.cli.selection import Selection
from halab.exams import attempts, signing
from halab.exams.grade import Grade
from halab.exams.signing import sign, verify
from halab.instance.instance import Instance
from halab.kit.errors import Exit, LabError, NothingChecked
from halab.measure.report import Measurement
from tests.fakes import World
from tests.inv import Inv
from tests.unit.test_exams import begin_exam, write_exam

FILES = {"grade.json": "{}", "outage.svg": "<svg/>", "recordings/one.cast": "[1]", "recordings/two.cast": "[2]"}


@pytest.fixture
def key(tmp_path: Path) -> Path:
    signing.make_key(tmp_path / "key")
    return tmp_path / "key"


@pytest.fixture
def public(key: Path) -> Path:
    return key.with_name("key.pub")


@pytest.fixture
def signed(tmp_path: Path, key: Path) -> Path:
    """A directory that was signed."""
    directory = tmp_path / "attempt"
    for name, text in FILES.items():
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).write_text(text)
    sign(directory, key)
    return directory


def test_what_was_signed_verifies_wherever_it_is_copied_to(signed: Path, public: Path, tmp_path: Path) -> None:
    shutil.copytree(signed, tmp_path / "copy")

    assert verify(signed, public) == []
    assert verify(tmp_path / "copy", public) == []


def test_the_manifest_lists_every_other_file_in_order_and_names_the_key(signed: Path, public: Path) -> None:
    manifest = json.loads((signed / "manifest.json").read_text())

    assert [file["path"] for file in manifest["files"]] == sorted(FILES)
    assert {len(file["sha256"]) for file in manifest["files"]} == {64}
    assert manifest["public_key"].startswith("ssh-ed25519 ")


def flip(file: Path) -> None:
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)


def replace_by_link(file: Path) -> None:
    file.rename(file.parent.parent / "elsewhere")
    file.symlink_to(file.parent.parent / "elsewhere")


def add_to_manifest(directory: Path) -> None:
    """Change the manifest as somebody without a key would."""
    manifest = json.loads((directory / "manifest.json").read_text())
    manifest["files"].pop()
    (directory / "manifest.json").write_text(json.dumps(manifest))


CHANGED = "manifest.json or manifest.sig was changed: the one does not sign the other"


@pytest.mark.parametrize(
    ("tamper", "problems"),
    [
        (lambda it: flip(it / "grade.json"), ["grade.json was changed"]),
        (lambda it: (it / "grade.json").write_text(""), ["grade.json was changed"]),
        (lambda it: (it / "recordings" / "one.cast").unlink(), ["recordings/one.cast is missing"]),
        (lambda it: (it / "recordings" / "three.cast").touch(), ["recordings/three.cast was added"]),
        (lambda it: (it / "recordings" / "manifest.json").touch(), ["recordings/manifest.json was added"]),
        (lambda it: (it / ".hidden").touch(), [".hidden was added"]),
        (lambda it: (it / "link").symlink_to("grade.json"), ["link was added"]),
        (lambda it: replace_by_link(it / "grade.json"), ["grade.json is no file any more"]),
        (
            lambda it: (it / "outage.svg").rename(it / "other.svg"),
            ["outage.svg is missing", "other.svg was added"],
        ),
        (lambda it: flip(it / "manifest.json"), [CHANGED]),
        (add_to_manifest, [CHANGED]),
        (lambda it: (it / "manifest.json").write_text("no JSON"), [CHANGED]),
        (lambda it: (it / "manifest.json").write_text("[]"), [CHANGED]),
        (lambda it: (it / "manifest.json").write_text('{"public_key": 3}'), [CHANGED]),
        (lambda it: (it / "manifest.json").write_bytes(b"\xff"), [CHANGED]),
        (lambda it: (it / "manifest.json").unlink(), ["manifest.json is missing"]),
        (lambda it: flip(it / "manifest.sig"), [CHANGED]),
        (lambda it: (it / "manifest.sig").write_bytes(b""), [CHANGED]),
    ],
)
def test_each_change_is_found_and_told_by_name(
    signed: Path, public: Path, tamper: Callable[[Path], None], problems: list[str]
) -> None:
    tamper(signed)

    assert verify(signed, public) == problems


def test_what_somebody_else_signed_anew_is_told_with_their_key(signed: Path, public: Path, tmp_path: Path) -> None:
    others = signing.make_key(tmp_path / "other")
    (signed / "grade.json").write_text('{"points": 100}')
    sign(signed, tmp_path / "other")

    (problem,) = verify(signed, public)

    assert problem.startswith("manifest.json is signed with another key: ssh-ed25519 ")
    assert verify(signed, others) == []


def test_a_manifest_that_claims_the_right_key_is_not_believed(signed: Path, public: Path, tmp_path: Path) -> None:
    ours = json.loads((signed / "manifest.json").read_text())["public_key"]
    signing.make_key(tmp_path / "other")
    sign(signed, tmp_path / "other")
    theirs = (signed / "manifest.json").read_text()
    (signed / "manifest.json").write_text(theirs.replace(json.loads(theirs)["public_key"], ours))

    assert verify(signed, public) == [CHANGED]


def test_a_manifest_that_claims_another_key_without_its_signature_was_changed(
    signed: Path, public: Path, tmp_path: Path
) -> None:
    ours = (signed / "manifest.sig").read_bytes()
    signing.make_key(tmp_path / "other")
    sign(signed, tmp_path / "other")
    (signed / "manifest.sig").write_bytes(ours)

    assert verify(signed, public) == [CHANGED]


def test_signing_again_signs_what_is_there_now(signed: Path, key: Path, public: Path) -> None:
    (signed / "grade.json").unlink()
    (signed / "more.svg").touch()

    sign(signed, key)

    assert verify(signed, public) == []


def test_a_directory_without_signature_is_not_checked(signed: Path, public: Path) -> None:
    (signed / "manifest.sig").unlink()

    with pytest.raises(NothingChecked, match="is not signed"):
        verify(signed, public)


def test_a_link_is_not_signed_as_its_content_is_elsewhere(signed: Path, key: Path) -> None:
    (signed / "link").symlink_to("grade.json")

    with pytest.raises(LabError, match="link is no file, so it cannot be signed"):
        sign(signed, key)


def test_a_key_is_its_owners_and_is_never_overwritten(key: Path, public: Path) -> None:
    before = key.read_bytes(), public.read_bytes()

    with pytest.raises(LabError, match="is there already"):
        signing.make_key(key)
    key.unlink()
    with pytest.raises(LabError, match=r"key\.pub is there already"):
        signing.make_key(key)

    assert public.read_bytes() == before[1]
    assert not key.exists()
    assert b"BEGIN PRIVATE KEY" in before[0]


def test_nobody_else_may_read_a_private_key(key: Path) -> None:
    assert key.stat().st_mode & 0o777 == 0o600


def made_by(*commands: str) -> None:
    for command in commands:
        subprocess.run(command, shell=True, check=True, capture_output=True)  # noqa: S602


@pytest.mark.skipif(not shutil.which("ssh-keygen"), reason="ssh-keygen is not installed here")
def test_a_key_of_ssh_keygen_does(signed: Path, tmp_path: Path) -> None:
    made_by(f"ssh-keygen -q -t ed25519 -N '' -f {tmp_path}/ssh")

    sign(signed, tmp_path / "ssh")

    assert verify(signed, tmp_path / "ssh.pub") == []


@pytest.mark.skipif(not shutil.which("openssl"), reason="openssl is not installed here")
def test_a_key_of_openssl_does_and_openssl_verifies_as_well(signed: Path, tmp_path: Path) -> None:
    made_by(
        f"openssl genpkey -algorithm ed25519 -out {tmp_path}/pem",
        f"openssl pkey -in {tmp_path}/pem -pubout -out {tmp_path}/pem.pub",
    )

    sign(signed, tmp_path / "pem")

    assert verify(signed, tmp_path / "pem.pub") == []
    made_by(
        f"openssl pkeyutl -verify -pubin -inkey {tmp_path}/pem.pub -rawin "
        f"-in {signed}/manifest.json -sigfile {signed}/manifest.sig"
    )


@pytest.mark.skipif(not shutil.which("ssh-keygen"), reason="ssh-keygen is not installed here")
@pytest.mark.parametrize(
    ("options", "reason"),
    [("-t rsa -N ''", "is no Ed25519 key"), ("-t ed25519 -N geheim", "has a passphrase, and nobody is there to ask")],
)
def test_a_key_that_cannot_sign_is_told(signed: Path, tmp_path: Path, options: str, reason: str) -> None:
    made_by(f"ssh-keygen -q {options} -f {tmp_path}/ssh")

    with pytest.raises(LabError, match=reason):
        sign(signed, tmp_path / "ssh")


def test_a_file_that_is_no_key_is_told(signed: Path, key: Path, public: Path, tmp_path: Path) -> None:
    (tmp_path / "text").write_text("hello")

    for wrong in (tmp_path / "text", public):
        with pytest.raises(LabError, match="is no private key"):
            sign(signed, wrong)
    for wrong in (tmp_path / "text", key):
        with pytest.raises(LabError, match="is no public key"):
            verify(signed, wrong)
    with pytest.raises(LabError, match="cannot be read: No such file"):
        verify(signed, tmp_path / "nothing")


def test_the_command_line_tells_good_changed_and_unsigned_apart(
    inv: Inv,
    signed: Path,
    public: Path,
) -> None:
    good = inv("verify-report", str(signed), "--key", str(public))
    (signed / "grade.json").write_text("100 points")
    changed = inv("verify-report", str(signed), "--key", str(public))
    said = inv.out + inv.err
    (signed / "manifest.sig").unlink()
    unsigned = inv("verify-report", str(signed), "--key", str(public))
    nowhere = inv("verify-report", str(signed / "nothing"), "--key", str(public))

    assert (good, changed, unsigned, nowhere) == (
        Exit.GOOD,
        Exit.CHECK_FAILED,
        Exit.NOTHING_CHECKED,
        Exit.LAB_BROKEN,
    )
    assert "grade.json was changed" in said


def test_a_key_is_made_on_the_command_line(inv: Inv, tmp_path: Path) -> None:
    assert inv("make-key", str(tmp_path / "grader")) == Exit.GOOD
    assert inv("make-key", str(tmp_path / "grader")) == Exit.LAB_BROKEN
    assert (tmp_path / "grader").exists()
    assert (tmp_path / "grader.pub").exists()


def a_grade(verdict: str = "passed") -> Grade:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    return Grade(
        exam="test",
        title="An exam to test with",
        instance="alice",
        seed="",
        began=now,
        at=now,
        seconds=1,
        late=False,
        practice=False,
        hints=0,
        hints_cost=0,
        points=10,
        of=10,
        percent=100,
        pass_mark=50,
        verdict=verdict,
        tasks=(),
        checks=(),
    )


@pytest.fixture
def begun(world: World, tmp_path: Path) -> Instance:
    """An exam that has begun."""
    return begin_exam(write_exam(tmp_path / "labs"))


@pytest.fixture
def grading(begun: Instance, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The instances that were graded, each with full marks. The exam is selected."""
    graded: list[str] = []

    def grade(instance: Instance, on_mark: object) -> tuple[Grade, list[Measurement]]:
        graded.append(instance.name)
        return a_grade(), []

    monkeypatch.setattr("halab.exams.grading.grade", grade)
    Selection(lab="test", instance="alice").remember()
    return graded


@pytest.mark.parametrize("command", [exam_commands.grade, exam_commands.finish])
def test_an_attempt_is_signed_when_it_is_graded(
    begun: Instance,
    grading: list[str],
    key: Path,
    public: Path,
    command: Callable[[str, bool], None],
) -> None:
    command(str(key), False)

    attempt = begun.directory / "attempts" / "1"
    assert verify(attempt, public) == []
    assert Grade.model_validate_json((attempt / "grade.json").read_text()) == a_grade()


def test_without_a_key_an_attempt_is_not_signed(begun: Instance, grading: list[str]) -> None:
    exam_commands.grade(None, False)

    assert "manifest.json" not in [path.name for path in (begun.directory / "attempts" / "1").iterdir()]


def test_a_key_that_cannot_be_used_is_told_before_anything_is_graded(grading: list[str], public: Path) -> None:
    with pytest.raises(LabError, match="is no private key"):
        exam_commands.grade(str(public), False)

    assert grading == []


def test_an_attempt_that_was_not_counted_leaves_nothing_to_the_next_one(
    begun: Instance,
    key: Path,
) -> None:
    sign(attempts.keep(begun, a_grade("not graded"), [], last=False).directory, key)

    directory = attempts.keep(begun, a_grade(), [], last=False).directory
    next_one = attempts.keep(begun, a_grade(), [], last=False).directory

    assert (directory.name, next_one.name) == ("1", "2")
    assert [path.name for path in directory.iterdir()] == ["grade.json"]
