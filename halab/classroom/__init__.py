"""Classes: a roster of learners, and their seats on the machines of a site."""
