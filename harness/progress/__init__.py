"""How a run goes while it goes: told from the history that it writes, which it is never kept from writing."""
