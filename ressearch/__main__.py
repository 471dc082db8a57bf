"""`python -m ressearch`: the same as the `ressearch` command."""

from ressearch.cli import main

main()
