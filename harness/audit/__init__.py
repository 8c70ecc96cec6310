"""A look at a deployment that breaks nothing: what its objects say about how it would survive a fault.

Rules are pure functions of the objects, live or rendered by a chart; nothing here reaches a cluster.
"""
