"""What migrations do to databases: direct files of every kind, on real engines."""
