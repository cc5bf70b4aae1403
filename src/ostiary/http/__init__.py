"""The ASGI shell: bytes in, a use case called, bytes out."""
