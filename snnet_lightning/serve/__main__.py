"""``python -m snnet_lightning.serve``"""

from snnet_lightning.command.serve import main

if __name__ == "__main__":
    main()
