"""Nodes as podman containers: making them, entering them, their networks, limits and checkpoints."""
