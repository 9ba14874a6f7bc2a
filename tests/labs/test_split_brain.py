"""The lab split-brain. Each test goes on from where the last one left off."""

from tests.labs.sequels import *

LAB = "split-brain"
