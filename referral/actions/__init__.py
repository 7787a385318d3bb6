"""What is done: one file per action, one transaction each."""
