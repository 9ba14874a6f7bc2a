"""The lab failover: each of its steps is proven."""

from tests.labs.sequels import *

LAB = "failover"
