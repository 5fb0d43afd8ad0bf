"""The simulated plant: a stand-in for the owners' real systems, in a process of its own that nothing else imports."""
