"""Studies: many runs of one command, and the page with what came of them."""

STUDIES = ("pixel_control", "preferences")
