"""Every word on the pages, once a language: plain text with `{placeholders}`, no markup."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from ostiary.http.pages.texts import (
    en,
    en_admin,
    en_demo,
    en_events,
    en_tokens,
    zh_cn,
    zh_cn_admin,
    zh_cn_demo,
    zh_cn_events,
    zh_cn_tokens,
)

CATALOGUES: Final[Mapping[str, Mapping[str, str]]] = MappingProxyType(
    {
        "en": MappingProxyType({**en.TEXTS, **en_admin.TEXTS, **en_demo.TEXTS, **en_events.TEXTS, **en_tokens.TEXTS}),
        "zh-CN": MappingProxyType(
            {**zh_cn.TEXTS, **zh_cn_admin.TEXTS, **zh_cn_demo.TEXTS, **zh_cn_events.TEXTS, **zh_cn_tokens.TEXTS}
        ),
    }
)
