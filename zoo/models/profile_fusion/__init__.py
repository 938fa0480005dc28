"""User profile, item semantics and behavior under one click model."""
