"""Stitchable Neural Networks (Pan, Cai, Zhuang: CVPR 2023) as one experiment framework."""
