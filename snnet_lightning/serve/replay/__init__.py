"""Traffic against a server: what is answered in time, and how well, by each policy."""
