"""A tiny task of pixels: find the ring, whatever else moves."""
