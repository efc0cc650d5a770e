"""`python -m dist_bp` is `dist-bp`."""

from dist_bp.cli.main import main

if __name__ == "__main__":
    main()
