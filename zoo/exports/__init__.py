"""SavedModels made from runs."""
