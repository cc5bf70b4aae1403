"""One module a revision, `r<number>_<what it does>`. A released revision is never changed."""
