"""``python -m snnet_lightning.latency``"""

from snnet_lightning.command.latency import main

if __name__ == "__main__":
    main()
