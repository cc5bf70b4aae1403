"""Password hashing: Argon2id under a key of the server's own, in a bounded pool of low-priority threads.

``PasswordHasher`` is what services use; ``load_common_passwords`` is the list that `domain.password_rules` judges by.
"""

from ostiary.passwords.common import load_common_passwords
from ostiary.passwords.hasher import PasswordHasher, Verdict
from ostiary.passwords.pool import HashPool, available_cores
from ostiary.passwords.stored import Argon2Parameters, Pepper

__all__ = [
    "Argon2Parameters",
    "HashPool",
    "PasswordHasher",
    "Pepper",
    "Verdict",
    "available_cores",
    "load_common_passwords",
]
