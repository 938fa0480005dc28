"""Answers of a trained model: recommendations, text queries and explanations."""
