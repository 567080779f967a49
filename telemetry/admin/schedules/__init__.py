"""One page for all schedules: what beat sends, how it ended, when it comes next."""
