"""The page: frames in a browser, where the character can be moved, exchanged and recorded."""

import asyncio
import webbrowser
from typing import TYPE_CHECKING, ClassVar

from stages.page.options import PageOptions
from stages.stage import Rings, Stage, StartFailed

if TYPE_CHECKING:
    from stages.page.feed import Feed
    from stages.page.server import Server


class Page(Stage):
    """Serves the output to browsers. Its event loop runs inside `step` and stands still between."""

    options_type: ClassVar = PageOptions
    options: PageOptions
    _server: "Server | None" = None
    _feed: "Feed | None" = None

    def open(self) -> None:
        """Listen."""
        try:
            from stages.page.server import Server
        except ImportError as error:
            raise StartFailed(
                f"the page cannot be served ({error}): pip install aiohttp, or leave the stage "
                "out of the config"
            ) from error
        # Not the default loop of Windows: ZeroMQ needs one that can wait for readable sockets.
        self._loop = asyncio.SelectorEventLoop()
        server = Server(self.session, self.options, self.meter)
        self._loop.run_until_complete(server.start())
        self._server = server
        self.endpoints["page"] = server.address
        # Browsers that have it open look for it there again after a restart.
        self.settled |= {"port": server.port, "token": server.token, "open_browser": False}
        self.notes += [*server.notes, f"open {server.address}"]

    def begin(self, rings: Rings) -> None:
        """Show the frames of the rings."""
        from stages.page.feed import Feed
        from stages.page.wire import Encoder

        assert rings.frames is not None and self._server is not None
        # The runner closes its rings before us, so the feed's thread opens its own.
        names = [reader.name for reader in rings.frames.readers]
        self._feed = Feed(names, self._loop, Encoder(self.options.quality), self.meter)
        self._server.show(self._feed)
        if self.options.open_browser:
            webbrowser.open(self._server.address)

    def step(self, timeout_s: float) -> None:
        """Serve for so long."""
        self._loop.call_later(timeout_s, self._loop.stop)
        self._loop.run_forever()

    def close(self) -> None:
        """Say goodbye to the browsers."""
        if self._server is not None:
            if self._feed is not None:
                self._feed.close()
            self._loop.run_until_complete(self._server.close())
            self._loop.close()
