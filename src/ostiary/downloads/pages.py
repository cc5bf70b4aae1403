"""The two pages that a person may see here: "press to download", and why not. No script, nothing from elsewhere."""

import base64
import hashlib
from html import escape

_STYLE = (
    ":root{color-scheme:light dark}"
    "body{font:1rem/1.5 system-ui,sans-serif;margin:0;display:grid;min-height:100vh;place-items:center}"
    "main{max-width:28rem;padding:2rem;overflow-wrap:anywhere}h1{font-size:1.25rem}"
    "button{font:inherit;font-weight:600;padding:.7rem 1.4rem;border:0;border-radius:.5rem;background:#1f5fbf;"
    "color:#fff;cursor:pointer}button:focus-visible{outline:3px solid currentColor;outline-offset:2px}small{opacity:.8}"
)
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
POLICY = (
    f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)

_TEXTS = {
    "en": {
        "title": "Download",
        "once": "This link is good for one download. Nothing is used up until you press the button.",
        "button": "Download",
        "already_used": "This link has already been used. Ask for a new one.",
        "invalid_token": "This link is not valid any more. Ask for a new one.",
        "not_authenticated": "This link is not complete. Open it again as you got it.",
        "wrong_resource": "This link is for something else.",
        "not_found": "There is no such file.",
        "unavailable": "This cannot be answered right now. Try again in a moment.",
        "other": "This request cannot be answered.",
    },
    "zh-CN": {
        "title": "下载",
        "once": "此链接只能下载一次。按下按钮之前不会消耗它。",
        "button": "下载",
        "already_used": "此链接已被使用。请索取新的链接。",
        "invalid_token": "此链接已失效。请索取新的链接。",
        "not_authenticated": "此链接不完整。请按收到的原样重新打开。",
        "wrong_resource": "此链接不适用于该文件。",
        "not_found": "没有这个文件。",
        "unavailable": "暂时无法响应，请稍后再试。",
        "other": "无法处理此请求。",
    },
}


def language_of(accept_language: str) -> str:
    """Any Chinese before English gets Simplified Chinese; everything else English."""
    best, weight_of_best = "en", 0.0
    for part in accept_language.lower().split(",")[:32]:
        name, _, parameter = part.strip().partition(";")
        try:
            weight = float(parameter.strip().removeprefix("q=") or 1)
        except ValueError:
            continue
        language = {"en": "en", "zh": "zh-CN"}.get(name.strip().partition("-")[0])
        if language is not None and weight > weight_of_best:
            best, weight_of_best = language, weight
    return best


def confirm_page(language: str, *, name: str, size: int, action: str, token: str) -> bytes:
    """`action` is this address without the token, which travels in the form, where no log and no history sees it."""
    texts = _TEXTS[language]
    return _page(
        language,
        texts["title"],
        f"<h1>{escape(name)}</h1><p><small>{_said(size)}</small></p><p>{texts['once']}</p>"
        f'<form method="post" action="{escape(action)}"><input type="hidden" name="token" value="{escape(token)}">'
        f"<button>{texts['button']}</button></form>",
    )


def refusal_page(language: str, code: str) -> bytes:
    """Why there is no download."""
    texts = _TEXTS[language]
    return _page(language, texts["title"], f"<h1>{texts.get(code, texts['other'])}</h1>")


def _page(language: str, title: str, content: str) -> bytes:
    return (
        f'<!doctype html><html lang="{language}"><head><meta charset="utf-8"><title>{title}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<style>{_STYLE}</style></head><body><main>{content}</main></body></html>"
    ).encode()


def _said(size: int) -> str:
    amount, unit = float(size), "B"
    for larger in ("KiB", "MiB", "GiB", "TiB"):
        if amount < 1024:
            break
        amount, unit = amount / 1024, larger
    return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
