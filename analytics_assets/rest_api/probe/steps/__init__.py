"""The steps of a probe: each checks one group of settings, and proposes corrections."""
