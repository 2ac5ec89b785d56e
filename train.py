"""Train an SN-Net, then evaluate every stitch: python train.py [key=value ...]"""

from snnet_lightning.command.train import main

if __name__ == "__main__":
    main()
