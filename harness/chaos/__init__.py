"""What experiments name: actions that break and mend, and probes that gate."""
