"""The feed that only benchmarks have."""
