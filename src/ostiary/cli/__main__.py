"""`python -m ostiary.cli`: the same as the `ostiary` executable."""

from ostiary.cli import main

main()
