"""What a device card calls a client, told from its `User-Agent` (RFC 9110 section 10.1.5).

The header is a stranger's, and read before anybody is known. So it is searched for fixed words, in order, and for no
pattern: work that grows with its length alone, which is bounded. Every browser names those that it descends from as
well, so the first word found counts, and the youngest names stand first.
"""

from functools import lru_cache

LABEL_CHARS = 80
_PRODUCT_CHARS = 40

_BROWSERS = (
    ("Edg/", "Edge"),
    ("EdgA/", "Edge"),
    ("EdgiOS/", "Edge"),
    ("Edge/", "Edge"),
    ("OPR/", "Opera"),
    ("OPiOS/", "Opera"),
    ("OPT/", "Opera"),
    ("Opera", "Opera"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("Vivaldi/", "Vivaldi"),
    ("YaBrowser/", "Yandex Browser"),
    ("MicroMessenger/", "WeChat"),
    ("QQBrowser/", "QQ Browser"),
    ("UCBrowser/", "UC Browser"),
    ("HuaweiBrowser/", "Huawei Browser"),
    ("MiuiBrowser/", "Mi Browser"),
    ("Whale/", "Whale"),
    ("DuckDuckGo/", "DuckDuckGo"),
    ("Ddg/", "DuckDuckGo"),
    ("Silk/", "Silk"),
    ("Electron/", "Electron"),
    ("SeaMonkey/", "SeaMonkey"),
    ("FxiOS/", "Firefox"),
    ("Focus/", "Firefox Focus"),
    ("Firefox/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("Chromium/", "Chromium"),
    ("HeadlessChrome/", "Headless Chrome"),
    ("Chrome/", "Chrome"),
    ("Trident/", "Internet Explorer"),
    ("MSIE ", "Internet Explorer"),
    ("Epiphany/", "GNOME Web"),
    ("Mobile/", "Mobile Safari"),
    ("Mobile Safari/", "Mobile Safari"),
    ("Safari/", "Safari"),
)

_SYSTEMS = (
    ("Windows", "Windows"),
    ("OpenHarmony", "HarmonyOS"),
    ("HarmonyOS", "HarmonyOS"),
    ("KaiOS", "KaiOS"),
    ("Tizen", "Tizen"),
    ("Android", "Android"),
    ("iPad", "iPadOS"),
    ("iPhone", "iOS"),
    ("iPod", "iOS"),
    ("CrOS", "ChromeOS"),
    ("Macintosh", "macOS"),
    ("Mac OS X", "macOS"),
    ("Darwin/", "macOS"),
    ("FreeBSD", "FreeBSD"),
    ("OpenBSD", "OpenBSD"),
    ("NetBSD", "NetBSD"),
    ("Ubuntu", "Ubuntu"),
    ("Fedora", "Fedora"),
    ("Linux", "Linux"),
    ("linux", "Linux"),
    ("X11", "Unix"),
)


@lru_cache(maxsize=1024)
def label_of(user_agent: str) -> str:
    """A few words for a device card, such as "Chrome · Windows"; a client that is no browser under the name that it
    gives itself, "" if that cannot be shown."""
    browser = _first(_BROWSERS, user_agent) or _product(user_agent)
    return " · ".join(filter(None, (browser, _first(_SYSTEMS, user_agent))))[:LABEL_CHARS]


def _first(names: tuple[tuple[str, str], ...], user_agent: str) -> str:
    return next((name for word, name in names if word in user_agent), "")


def _product(user_agent: str) -> str:
    """The first product's name."""
    product = user_agent.split("/", 1)[0].split(" ", 1)[0][:_PRODUCT_CHARS]
    return product if product.isascii() and product.isprintable() and product != "Mozilla" else ""
