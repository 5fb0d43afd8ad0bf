"""Sensing: events, findings, evidence, belief, observation."""
