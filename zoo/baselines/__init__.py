"""Baselines in closed form: popularity, nearest neighbors, TF-IDF and EASE."""
