"""What guests try that a host must refuse, or bear: attempts, their verdicts, and who is harmed."""
