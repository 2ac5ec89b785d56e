"""Parameter groups, optimiser and schedule."""

from snnet_lightning.optim.recipe import OptimizerRecipe

__all__ = ["OptimizerRecipe"]
