"""Asset checks: findings of a load that a person should see and that do not stop it. One module per family."""
