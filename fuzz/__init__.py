"""Coverage-guided fuzzing of `ostiary.jose`: `make fuzz`."""
