"""The reference enforcement point: an OpenC2 packet-filter consumer that writes real nftables rules.

It stands on the owner's side, a process of its own. Loads nothing by itself.
"""
