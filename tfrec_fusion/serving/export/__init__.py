"""SavedModels: written, verified and read again."""
