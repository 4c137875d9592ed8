"""A run: its configuration, folder, checkpoints, evaluation and reports."""
