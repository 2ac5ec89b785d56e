"""A saved SN-Net: a folder that anybody can read, load and share."""
