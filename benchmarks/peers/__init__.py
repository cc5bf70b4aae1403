"""Other people's servers, in an environment of their own: `python -m benchmarks.peers` makes it in .bench/."""

from benchmarks.machine import ROOT

HOME = ROOT / ".bench"
PYTHON = HOME / "venv" / "bin" / "python"
PACKAGES = ("django==5.2.19", "djangorestframework==3.18.3", "djangorestframework-simplejwt==5.5.1", "gunicorn==27.0.1")
