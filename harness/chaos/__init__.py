"""What experiments name: actions that break and undo, and probes that gate."""
