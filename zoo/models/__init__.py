"""Neural models: one file or folder each, from formula to spec."""
