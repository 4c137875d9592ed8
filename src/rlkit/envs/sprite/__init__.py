"""A tiny task of pixels: find yourself among those who look like you, then the ring."""
