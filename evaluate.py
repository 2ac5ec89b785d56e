"""Evaluate every stitch of a checkpoint, or only say what each costs: python evaluate.py ckpt_path=... [key=value]"""

from snnet_lightning.command.evaluate import main

if __name__ == "__main__":
    main()
