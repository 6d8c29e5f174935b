"""Other loaders of the same table, each a program that runs in an environment of its own and knows nothing of us."""
