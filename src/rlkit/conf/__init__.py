"""Values of the configuration, read with Hydra; its schema is the dataclasses in `rlkit.training.config`."""
