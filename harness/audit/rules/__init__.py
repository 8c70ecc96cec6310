"""Every rule, by what it looks at."""

from harness.audit.rule import Rule
from harness.audit.rules import budgets, data, ends, probes, replicas, settings

EVERY: tuple[Rule, ...] = tuple(
    rule for module in (replicas, budgets, probes, ends, settings, data) for rule in module.book.rules
)
