"""What is asked for and what came of it: requests, records and the events of a run."""
