"""Sessions with a kernel, on whatever console labgrid has bound."""

import json
from pathlib import Path
from typing import Any

import attr
from labgrid.driver.common import Driver
from labgrid.factory import target_factory
from labgrid.step import step

from harness.boot.chainload import chainload
from harness.errors import ImageError
from harness.labgrid.stream import ConsoleStream
from harness.link.generation import Generation
from harness.link.messages import SamplingParams
from harness.link.session import Session
from harness.link.stream import ByteStream


@target_factory.reg_driver
@attr.s(eq=False)
class BarewordDriver(Driver):
    """Connects when it is activated; `session` is harness.link's.

    Args:
        image: key in `images:` of a directory made by `build`; its build id must be the target's
        chainload: send its kernel8.img to the loader that the board starts (`build --loader`)
    """

    bindings = {"console": "ConsoleProtocol"}  # noqa: RUF012 (labgrid's interface)

    image = attr.ib(
        default=None, validator=attr.validators.optional(attr.validators.instance_of(str))
    )
    chainload = attr.ib(default=False, validator=attr.validators.instance_of(bool))

    def __attrs_post_init__(self) -> None:
        super().__attrs_post_init__()
        self._session: Session | None = None

    @property
    def session(self) -> Session:
        """The connected session; ImageError unless the driver is active."""
        if self._session is None:
            raise ImageError("the driver is not active", hint="strategy.transition('ready')")
        return self._session

    def on_activate(self) -> None:
        """Send the kernel, if that is wished, and say HELLO until it answers."""
        stream: ByteStream = ConsoleStream(self.console)
        directory = self._directory()
        if self.chainload:
            if directory is None:
                raise ImageError("chainload without an image", hint="image: a key in `images:`")
            kernel = (directory / "kernel8.img").read_bytes()
            stream = chainload(stream, kernel, say=self.logger.info).stream
        session = Session(stream, on_console=self._on_console)
        session.connect(expected_build_id=None if directory is None else _build_id(directory))
        self._session = session

    def on_deactivate(self) -> None:
        """The target goes on running: power is another driver's."""
        self._session = None

    @Driver.check_active
    @step(args=["prompt"], result=True)
    def generate(self, prompt: Any, params: SamplingParams | None = None) -> Generation:
        """As Session.generate()."""
        return self.session.generate(prompt, params)

    def _directory(self) -> Path | None:
        if self.image is None:
            return None
        return Path(self.target.env.config.get_image_path(self.image))

    def _on_console(self, text: str) -> None:
        for line in text.splitlines():
            self.logger.info("console: %s", line)


def _build_id(directory: Path) -> int:
    path = directory / "manifest.json"
    try:
        return int(json.loads(path.read_text(encoding="utf-8"))["build_id"], 16)
    except (OSError, ValueError, KeyError, TypeError) as exc:
        raise ImageError(
            f"{directory} is not an image directory: {path.name}: {exc}",
            hint="python -m harness build -m MODEL.gguf makes one",
        ) from exc
