"""The instance that a learner's name makes, and the name that an instance was made from.

Latin letters, digits, dots and dashes within words stand for themselves, a blank becomes `_`. All else, of whatever
alphabet, is spelled in Punycode (RFC 3492) after `--`: Ada Lovelace is ada_lovelace, Jörg Weiß is jrg_weiss--07a.
Capital letters are not kept: names that differ in nothing else are of one learner.

Little is imported here, as each forwarded command waits for it.
"""

import re
import unicodedata

from halab.kit.errors import LabError
from halab.kit.typed import INSTANCE, shown

BEFORE = (
    "u-"  # where an instance's name would not begin with a letter or a digit; no name has this without one after it
)
APART = "--"
JOINERS = "\u200c\u200d"  # some alphabets need them within words
PRIVATE = 0xE000  # where those of ASCII are, while Punycode is to take them for letters of another alphabet


def folded(name: str) -> str:
    """Return what two spellings of one name have in common."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", " ".join(name.split())).casefold())


def instance_of(name: str) -> str:
    """Return the name of a learner's instance. Raises LabError for what is no name, or too long to make one of."""
    letters = folded(name)
    if not letters or not all(letter.isprintable() or letter in JOINERS for letter in letters):
        raise LabError(f"{shown(name)} can be no learner's name")
    # A dash stands for itself within words only, so that what is made of a name cannot have APART or BEFORE by itself
    letters = re.sub(r"(?<![a-z0-9])-|-(?![a-z0-9])", _apart, letters)
    letters = re.sub(r"[^a-z0-9 .-]", _apart, letters).replace(" ", "_")
    plain = "".join(filter(str.isascii, letters))
    made = plain if plain[:1].isalnum() else BEFORE + plain
    if plain != letters:
        made += APART + letters.encode("punycode").decode().rpartition("-")[2]
    if not INSTANCE.fullmatch(made):
        raise LabError(
            f"{shown(name)} makes an instance name of {len(made)} characters, and 41 are the most; shorten it"
        )
    return made


def name_of(instance: str) -> str:
    """Return the name that an instance was made from, in small letters. Raises LabError where it was made from none."""
    plain, apart, rest = instance.rpartition(APART) if APART in instance else (instance, "", "")
    if plain.startswith(BEFORE) and not plain[len(BEFORE) :][:1].isalnum():
        plain = plain.removeprefix(BEFORE)
    try:
        letters = "-".join(filter(None, (plain, rest))).encode().decode("punycode") if apart else plain
        name = re.sub("[\ue000-\ue07f]", lambda letter: chr(ord(letter[0]) - PRIVATE), letters.replace("_", " "))
        if instance_of(name) == instance:
            return name
    except (ValueError, LabError):
        pass
    raise LabError(f"{shown(instance)} was made from no learner's name")


def instance_named(word: str) -> str:
    """Return the instance that is meant: a learner's, or the one that is named itself."""
    try:
        name_of(word)
    except LabError:
        return instance_of(word)
    return word


def _apart(letter: re.Match[str]) -> str:
    """Return what stands for a letter while Punycode looks for those that are not plain."""
    return chr(PRIVATE + ord(letter[0])) if letter[0].isascii() else letter[0]
