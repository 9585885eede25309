"""The posterior report: what analysts read, drawn from the stored document of a run."""
