"""One running copy of a lab: its state, its nodes, their BMCs, and what its cluster says."""
