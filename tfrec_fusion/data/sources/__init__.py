"""Public data sets and synthetic data."""
