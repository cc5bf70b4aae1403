"""Every word on the pages, once a language: plain text with `{placeholders}`, no markup."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from ostiary.http.pages.texts import en, zh_cn

CATALOGUES: Final[Mapping[str, Mapping[str, str]]] = MappingProxyType({"en": en.TEXTS, "zh-CN": zh_cn.TEXTS})
