"""Run folders: training, measuring, saving and loading."""
