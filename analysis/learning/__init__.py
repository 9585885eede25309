"""Learning across trials: what each found on one scale, and what they say together."""
