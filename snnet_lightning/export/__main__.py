"""``python -m snnet_lightning.export``"""

from snnet_lightning.command.export import main

if __name__ == "__main__":
    main()
