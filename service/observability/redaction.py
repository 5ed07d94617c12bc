"""Takes secrets and pictures out of a text before it is logged or sent to a tracing system.

Our own lines hold none to begin with; this is for the words of others: a library's error that quotes a URL, a
traceback that quotes a header.
"""

import re
from typing import Final

REDACTED: Final = "[redacted]"

# What an earlier pattern has dealt with is left as it is; an id of ours before it tells whose key it was.
_VALUE: Final = r"(?!(?:kp_[a-z0-9-]+_)?\[)[^\s&,;'\"\])}]+"
# The opening quote of Python's or JSON's strings, if any.
_QUOTE: Final = r"\s*(?:b(?=['\"]))?['\"]?"
_PATTERNS: Final = tuple(
    (re.compile(pattern, re.IGNORECASE), replacement)
    for pattern, replacement in (
        # Our API keys, wherever they stand; the id in them is no secret.
        (r"\bkp_([A-Za-z0-9-]+)_[A-Za-z0-9_-]{8,}", rf"kp_\1_{REDACTED}"),
        # Secrets that sign webhooks.
        (r"\bwhsec_[A-Za-z0-9+/=_-]{8,}", f"whsec_{REDACTED}"),
        # redis://user:password@host, and the same of any other scheme.
        (r"\b([a-z][a-z0-9+.-]{0,30}://)[^\s/?#'\"]+@", rf"\1{REDACTED}@"),
        # Authorization: Basic x, (b'authorization', b'Basic x') and _Metadatum(key='authorization', value='x').
        (
            rf"\b(authorization['\"]?\s*(?:[:=]|,(?:\s*value=)?(?=\s*b?['\"])){_QUOTE}(?:(?:bearer|basic)\s+)?+){_VALUE}",
            rf"\1{REDACTED}",
        ),
        # Bearer x, and the WebSocket subprotocol kinepose.bearer.x.
        (r"\b(bearer[ .])(?!kp_[a-z0-9-]+_\[)[a-z0-9._~+/=-]{8,}", rf"\1{REDACTED}"),
        # password=x, "token": "x", ?api_key=x
        (rf"((?:password|passwd|secret|token|api_?key)['\"]?\s*[:=]{_QUOTE}){_VALUE}", rf"\1{REDACTED}"),
        # Pictures: bytes as Python prints them, also cut off, and data URLs.
        (r"\bb'(?:[^'\\]|\\.){64,}'?|\bb\"(?:[^\"\\]|\\.){64,}\"?", "[bytes]"),
        (r"\b(data:[\w/+.-]+;base64,)[A-Za-z0-9+/=_-]+", r"\1[bytes]"),
    )
)


def redacted(text: str) -> str:
    """The text without API keys, passwords, credentials of URLs and headers, and bytes of pictures."""
    for pattern, replacement in _PATTERNS:
        text = pattern.sub(replacement, text)
    return text
