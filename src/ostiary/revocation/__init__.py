"""What has been revoked, kept in memory and checked without I/O: see `replica` for the rules."""
