"""What is logged beside files; imported by the configuration's choice, for each logger costs imports of its own."""
