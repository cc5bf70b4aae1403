"""What clients hold: bytes to meaning and back. Pure; `kinds` is the table."""
