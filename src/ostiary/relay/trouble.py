"""What a relay cannot do is said in its log once, until it works again."""

import logging

log = logging.getLogger("ostiary.relay")


class Trouble:
    """Of one thing that it does again and again."""

    def __init__(self) -> None:
        self.lasts = False

    def over(self) -> None:
        """It works."""
        self.lasts = False

    def tell(self, text: str, *, defect: bool = False) -> None:
        """It does not. A defect of ours is told with its traceback."""
        if not self.lasts:
            self.lasts = True
            log.log(logging.ERROR if defect else logging.WARNING, "%s", text, exc_info=defect)
