"""Exams on real clusters of containers, which are made as those of tests/labs are."""

from tests.labs.conftest import instances, state_home

__all__ = ["instances", "state_home"]
