"""Data to train on that takes no time."""

from snnet_lightning.data import DigitsDataModule


class FewDigits(DigitsDataModule):
    """The first 64 training images of the digits alone."""

    def setup(self, stage: str | None = None) -> None:
        super().setup(stage)
        self.train_set.images, self.train_set.classes = self.train_set.images[:64], self.train_set.classes[:64]
