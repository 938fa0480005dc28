"""User interests mined from texts."""
