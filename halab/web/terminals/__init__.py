"""Shells of the page: a process for each, which outlives the page and its server, and the sockets to it."""
