"""Run inside one environment: measure every contender in turns and print the microseconds as JSON."""

import gc
import json
import platform
import random
import sys
import time
import tracemalloc
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from benchmarks.jose import NEWER_PEERS, PEERS, work
from ostiary import jose
from ostiary.verifier import Verifier

PACKAGES = [peer.partition("==")[0].partition("[")[0] for peer in (*PEERS, *NEWER_PEERS)]
ROUNDS = 60
BATCH = 25
UNCOUNTED = 3
Found = dict[str, list[float]]


def in_turns(contenders: dict[str, work.Contender], rounds: int, batch: int = BATCH) -> Found:
    """Microseconds of processor time for one piece of work, of each contender in each round. Each round has
    another order, so that nobody always comes after the one that leaves the processor's caches in the worst state; and
    begins with a few calls, of other tokens, that do not count. Otherwise the bare primitive, whose code most of the
    others keep warm for it, would be compared with code that has been driven out of the caches just before."""
    found: Found = {name: [] for name in contenders}
    clock = time.thread_time_ns
    order, chance = list(contenders.items()), random.Random(1)
    for at in range(rounds):
        chance.shuffle(order)
        for name, (function, inputs) in order:
            start = at * batch % len(inputs)
            some = (inputs[start : start + batch] or inputs)[:batch]
            gc.disable()
            for each in inputs[start - UNCOUNTED : start] or inputs[-UNCOUNTED:]:
                function(each)
            began = clock()
            for each in some:
                function(each)
            found[name].append((clock() - began) / len(some) / 1000)
            gc.enable()
    return found


def access_token(key: jose.Key, at: int, now: int, padding: int = 0) -> str:
    """As Ostiary issues it."""
    claims = {
        "iss": work.ISSUER, "aud": work.ISSUER, "sub": f"acc_{at:022}", "client_id": "web", "iat": now,
        "exp": now + 3600, "jti": f"{at:022}", "sid": f"ses_{at:022}", "sv": 1, "ep": 1, "auth_time": now,
        "roles": ["user"], "scope": "read write", "pad": "x" * padding,
    }  # fmt: skip
    return jose.sign(claims, key, typ="at+jwt")


def seen_before(now: int) -> Found:
    """The same token a second time, beside HS256 at first sight. Every text is a fresh one, as in a request: nobody
    has computed its hash yet."""
    hs256, key = work.Material("HS256", now), jose.Key.generate("ES256")
    tokens = [access_token(key, at, now) for at in range(work.TOKENS)]
    verifier = Verifier(issuer=work.ISSUER, audience=work.ISSUER, keys=jose.KeySet([key.public()]))
    for token in tokens:
        verifier.verify_sync(token)
    contenders = {"ostiary": (verifier.verify_sync, tokens)}
    contenders |= {name: one for name, one in work.verifying(hs256).items() if name in ("PyJWT", "ryjwt (Rust)")}
    found: Found = {name: [] for name in contenders}
    for at in range(ROUNDS):
        start = at * BATCH % (work.TOKENS - BATCH)
        texts = {
            name: (function, [text.encode().decode() for text in inputs[start : start + BATCH + UNCOUNTED]])
            for name, (function, inputs) in contenders.items()
        }
        for name, values in in_turns(texts, 1).items():
            found[name] += values
    return found


def full_cache(now: int) -> dict[str, float]:
    """Bytes that a verifier takes for 10,000 tokens of one KiB, by the interpreter's own count."""
    key = jose.Key.from_secret(work.HS256_KEY, "HS256", kid="k")
    verifier = Verifier(issuer=work.ISSUER, audience=work.ISSUER, keys=jose.KeySet([key]))
    padding = next(size for size in range(1024) if len(access_token(key, 0, now, size)) >= 1024)
    gc.collect()
    tracemalloc.start()
    for at in range(10_000):
        verifier.verify_sync(access_token(key, at, now, padding))
    gc.collect()
    taken, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return {"MB": taken / 1e6, "entries": len(verifier._recognition._cache)}


def versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for name in ("cryptography", "msgspec", *PACKAGES):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def main() -> None:
    now = int(time.time())
    found: dict[str, Any] = {"versions": versions(), "verify": {}, "sign": {}}
    for alg in work.ALGS:
        print(f"{alg} ...", file=sys.stderr)
        made = work.Material(alg, now)
        work.agree(made)
        found["verify"][alg] = in_turns(work.verifying(made), ROUNDS)
        found["sign"][alg] = in_turns(work.signing(made), ROUNDS)
    print("hostile tokens, the cache ...", file=sys.stderr)
    found["refuse"] = {name: in_turns(one, 12) for name, one in work.hostile(work.Material("HS256", now)).items()}
    found["again"] = seen_before(now)
    found["cache"] = full_cache(now)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
