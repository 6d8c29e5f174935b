"""Probing: findings, and proposals that load every row."""
