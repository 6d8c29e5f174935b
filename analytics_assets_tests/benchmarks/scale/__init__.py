"""What many APIs cost: definitions, runs, scheduler ticks and Dagster's database; and a simulation of thousands."""
