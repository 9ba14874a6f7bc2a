"""The lab links: each of its steps is proven."""

from tests.labs.sequels import *

LAB = "links"
