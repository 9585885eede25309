"""From a hunch to a locked trial: drafts, what they still lack, and who must agree."""
