"""Language models of one's own: pretraining and distillation."""
