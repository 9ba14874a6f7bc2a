"""Small tools that know nothing of clusters: running programs, waiting, writing files, errors and paths."""
