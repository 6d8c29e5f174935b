"""What the project promises when things go wrong: faults, crashes, concurrency, secrets, mistakes."""
