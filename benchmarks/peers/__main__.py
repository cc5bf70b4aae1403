"""Install the peers that the benchmarks are measured against."""

import subprocess
import sys

from benchmarks.peers import HOME, PACKAGES, PYTHON

HOME.mkdir(exist_ok=True)
(HOME / ".gitignore").write_text("*\n")
subprocess.run([sys.executable, "-m", "venv", str(HOME / "venv")], check=True)
subprocess.run([str(PYTHON), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *PACKAGES], check=True)
