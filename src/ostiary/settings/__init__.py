"""Settings: `ostiary.toml`, then `OSTIARY_*`, then flags. Read once, checked whole, frozen."""

from ostiary.settings.record import SIGNATURE_ALGORITHMS, Settings
from ostiary.settings.secret_key import load_or_create_secret_key, secret_key_of, secret_key_path
from ostiary.settings.sources import state_folder

__all__ = [
    "SIGNATURE_ALGORITHMS",
    "Settings",
    "load_or_create_secret_key",
    "secret_key_of",
    "secret_key_path",
    "state_folder",
]
