"""Machines that are used together, and Slurm, which places work on them."""
