"""What a trial is, who is in it and what happened to them."""
