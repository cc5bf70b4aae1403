"""Content encryption (RFC 7518 section 5): plaintext and associated data to ciphertext and tag, and back.

`decrypt_content` raises whatever it meets: the caller turns all of it into one error.
"""

from ostiary.jose.jwe_algorithms import TAG_BYTES, Encryption

_BLOCK_BITS = 128


def encrypt_content(enc: Encryption, key: bytes, iv: bytes, aad: bytes, plaintext: bytes) -> tuple[bytes, bytes]:
    """(ciphertext, tag)."""
    if not enc.hash:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        sealed = AESGCM(key).encrypt(iv, plaintext, aad)
        return sealed[:-TAG_BYTES], sealed[-TAG_BYTES:]
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
    from cryptography.hazmat.primitives.padding import PKCS7

    half = enc.key_bytes // 2
    pad = PKCS7(_BLOCK_BITS).padder()
    cipher = Cipher(algorithms.AES(key[half:]), modes.CBC(iv)).encryptor()
    ciphertext = cipher.update(pad.update(plaintext) + pad.finalize()) + cipher.finalize()
    return ciphertext, _mac(enc, key[:half], iv, aad, ciphertext)


def decrypt_content(enc: Encryption, key: bytes, iv: bytes, aad: bytes, ciphertext: bytes, tag: bytes) -> bytes:
    """The plaintext, if `tag` authenticates ciphertext and associated data. Lengths are exact (flaw class 52); with
    CBC nothing is decrypted, and no padding looked at, before the tag has matched."""
    if len(iv) != enc.iv_bytes or len(key) != enc.key_bytes:
        raise ValueError
    if not enc.hash:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        if len(tag) != TAG_BYTES:
            raise ValueError
        return AESGCM(key).decrypt(iv, ciphertext + tag, aad)
    from hmac import compare_digest

    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
    from cryptography.hazmat.primitives.padding import PKCS7

    half = enc.key_bytes // 2
    if not compare_digest(_mac(enc, key[:half], iv, aad, ciphertext), tag):
        raise ValueError
    cipher = Cipher(algorithms.AES(key[half:]), modes.CBC(iv)).decryptor()
    padded = cipher.update(ciphertext) + cipher.finalize()
    pad = PKCS7(_BLOCK_BITS).unpadder()
    return pad.update(padded) + pad.finalize()


def _mac(enc: Encryption, key: bytes, iv: bytes, aad: bytes, ciphertext: bytes) -> bytes:
    """RFC 7518 section 5.2.2.1: the length of the associated data, in bits, counts too; half of the result is sent."""
    import hmac

    bits = (8 * len(aad)).to_bytes(8, "big")
    return hmac.digest(key, aad + iv + ciphertext + bits, enc.hash)[: len(key)]
