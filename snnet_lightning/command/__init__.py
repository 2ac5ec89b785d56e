"""The commands: Hydra composes a configuration, a job runs it, wrong input ends in one line."""
