"""Use cases: fetch, let the domain decide, store. Everything that changes login state is here."""
