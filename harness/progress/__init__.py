"""Live progress of a run, read from the history as it is written, without ever holding up the writing."""
