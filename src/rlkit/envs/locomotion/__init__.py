"""Obstacle courses for simulated bodies in MuJoCo, stepped as one batch."""
