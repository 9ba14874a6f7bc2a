"""Exams on real clusters of containers, which are made as those of tests/labs are."""

from tests.labs.conftest import instances, pytest_collection_modifyitems, state_home

__all__ = ["instances", "pytest_collection_modifyitems", "state_home"]
