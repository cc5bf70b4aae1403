"""What a download is refused with (contract section 5, "Download server")."""

from ostiary.errors import Forbidden, NotFound, OstiaryError


class WrongResource(Forbidden):
    """The token is for another file, or for something else than a download."""

    code = "wrong_resource"
    title = "The token is for something else"


class AlreadyUsed(OstiaryError):
    """The token was spent, or the download that it paid for is over."""

    code = "already_used"
    status = 410
    title = "This download has been used"


class NoSuchFile(NotFound):
    """There is no such file, or it is not one that is handed out."""

    title = "There is no such file"


class PreconditionFailed(OstiaryError):
    """`If-Match` or `If-Unmodified-Since` does not hold (RFC 9110 section 15.5.13)."""

    code = "precondition_failed"
    status = 412
    title = "The file is not the one that was expected"


class RangeRefused(OstiaryError):
    """The range asked for lies beyond the file (RFC 9110 section 15.5.17)."""

    code = "range_not_satisfiable"
    status = 416
    title = "The file has no such part"

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size
