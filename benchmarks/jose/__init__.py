"""`ostiary.jose` against its peers, by `make bench-jose`.

Each Python has an environment of its own in .bench/, with the peers at fixed versions; `python -m benchmarks.jose`
makes them, measures in each and draws docs/jose-benchmark.svg. The peers are never dependencies of the project.
"""

from benchmarks.machine import ROOT

HOME = ROOT / ".bench"
RESULTS = ROOT / "benchmarks" / "results" / "jose.json"
CHART = ROOT / "docs" / "jose-benchmark.svg"
PEERS = ("pyjwt==2.15.1", "joserfc==1.8.0", "authlib==1.9.9", "jwcrypto==1.6.1", "python-jose[cryptography]==3.5.0",
         "oxyjwt==0.9.0", "pynacl==1.6.2")  # fmt: skip
NEWER_PEERS = ("ryjwt==0.2.2",)  # Python 3.12 and newer
