"""`python -m sdtui`."""

from sdtui.cli.main import main

if __name__ == "__main__":
    main()
