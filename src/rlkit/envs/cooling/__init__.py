"""Data-center cooling: a plant of servers, air, water, chillers and towers, in compiled kernels."""
