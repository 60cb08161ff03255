"""Who hears how far a run is, and may end it."""


class Progress:
    """Hears how far a run is. This one keeps quiet."""

    def start(self, total: int) -> None:
        """`total` files are new or changed."""

    def enter(self, stage: str, total: int) -> None:
        """What follows is another stage, such as `refining`, of `total` pictures."""

    def advance(self, n_files: int, n_failed: int) -> None:
        """Some more are done and stored."""

    def stop_requested(self) -> bool:
        """Asked between batches; True ends the run early, with everything so far kept."""
        return False
