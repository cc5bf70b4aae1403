"""Pure rules and frozen records: what login state is and what may happen to it. No I/O, no clock, no chance."""
