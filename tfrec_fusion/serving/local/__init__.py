"""A server for notebooks and laptops that answers as TensorFlow Serving does."""
