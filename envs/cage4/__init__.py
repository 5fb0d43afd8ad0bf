"""A foreign game: Tocsin's defenders play CAGE Challenge 4 through the interface that its evaluation asks for.

`submission.Submission` is what CybORG's evaluation loads. Nothing of CybORG is here; only `submission.wrap` imports it.
"""
