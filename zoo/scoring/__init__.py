"""Models of scores, similarities and candidate vectors made from a trained network."""
