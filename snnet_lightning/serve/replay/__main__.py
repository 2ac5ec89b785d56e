"""``python -m snnet_lightning.serve.replay``"""

from snnet_lightning.command.replay import main

if __name__ == "__main__":
    main()
