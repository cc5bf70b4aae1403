"""Storage: one port, several backends. A backend decides nothing and reads no clock."""
