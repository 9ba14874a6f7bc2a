"""Conditions that checks are made of, and the lab that they look at.

Only those of `destructive` change anything; all others just look. Each has hints of its
own, which a step replaces where it knows better.
"""

from halab.conditions.cluster import (
    authorized,
    bmc_power,
    can_be_fenced,
    fenced_by_peer,
    fencing,
    managed,
    online,
    option,
    quorate,
    started,
    together,
)
from halab.conditions.destructive import alone_serves_nothing, fences, survives, take_over
from halab.conditions.firewall import lets_in
from halab.conditions.lab import Exam, Lab, Node
from halab.conditions.links import linked, preferred
from halab.conditions.measured import measured
from halab.conditions.policy import follows, independent, may_run, ordered
from halab.conditions.service import (
    address_only_on_owner,
    answers_http,
    answers_ping,
    only_by_cluster,
    page_of,
    served_at_home,
    served_by_owner,
)
from halab.conditions.systems import active, command, enabled, enforcing, logged, not_enabled, reached

__all__ = [
    "Exam",
    "Lab",
    "Node",
    "active",
    "address_only_on_owner",
    "alone_serves_nothing",
    "answers_http",
    "answers_ping",
    "authorized",
    "bmc_power",
    "can_be_fenced",
    "command",
    "enabled",
    "enforcing",
    "fenced_by_peer",
    "fences",
    "fencing",
    "follows",
    "independent",
    "lets_in",
    "linked",
    "logged",
    "managed",
    "may_run",
    "measured",
    "not_enabled",
    "online",
    "only_by_cluster",
    "option",
    "ordered",
    "page_of",
    "preferred",
    "quorate",
    "reached",
    "served_at_home",
    "served_by_owner",
    "started",
    "survives",
    "take_over",
    "together",
]
