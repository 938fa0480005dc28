"""Language models: where they come from, text to vectors, and vectors that are kept."""
