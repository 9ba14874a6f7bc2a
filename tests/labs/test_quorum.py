"""The lab quorum. Each test goes on from where the last one left off."""

from tests.labs.sequels import *

LAB = "quorum"
