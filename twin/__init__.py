"""The digital twin: what is, how attacks and responses change it, what can be known of it."""
