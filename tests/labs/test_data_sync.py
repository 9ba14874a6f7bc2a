"""The lab data-sync. Each test goes on from where the last one left off."""

from tests.labs.sequels import *

LAB = "data-sync"
