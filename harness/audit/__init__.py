"""A look at a deployment that breaks nothing: what its objects say of how it would live through a fault.

Rules are pure functions of the objects, live or rendered by a chart; nothing here reaches a cluster.
"""
