"""Bringing an instance up, performing and verifying the steps of its lab, saving and restoring checkpoints."""
