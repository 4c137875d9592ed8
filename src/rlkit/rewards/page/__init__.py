"""The page that asks people which of two clips is better."""
