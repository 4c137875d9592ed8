"""Auxiliary tasks: further losses on an agent's network, whose targets come from what it has seen."""
