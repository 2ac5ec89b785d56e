"""What a stitch costs and how well it does, and how both are shown."""
