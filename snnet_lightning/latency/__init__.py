"""How long every stitch takes where it runs."""
