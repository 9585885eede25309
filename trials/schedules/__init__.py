"""When things are due, which have been fired, and each trial's timetable."""
