"""Ten thousand nodes in virtual time: `make simulate`. docs/guide/scale.md says what is simulated and what is not."""
