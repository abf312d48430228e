"""A lab on one machine: labgrid's coordinator and exporter, a serial line and a power switch."""

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

from harness.link.stream import ByteStream, StreamEnded, timeout_scale

START_S = 30.0
STEP_S = 0.005


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def served_by_tcp(board: ByteStream) -> Iterator[int]:
    """The port at which a board's line is reached, as ser2net has it; one caller at a time."""
    stop = threading.Event()
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(STEP_S)

    def carry() -> None:
        caller: socket.socket | None = None
        while not stop.is_set():
            try:
                if caller is None:
                    caller, _ = listener.accept()
                    caller.settimeout(STEP_S)
                caller.sendall(board.read(STEP_S))
                sent = caller.recv(4096)
                if sent:
                    board.write(sent)
                else:  # hung up
                    caller.close()
                    caller = None
            except TimeoutError:
                continue
            except (OSError, StreamEnded):
                break
        if caller is not None:
            caller.close()

    thread = threading.Thread(target=carry)
    thread.start()
    try:
        yield int(listener.getsockname()[1])
    finally:
        stop.set()
        thread.join()
        listener.close()


@contextmanager
def power_switch() -> Iterator[tuple[str, list[str]]]:
    """URL of a switch of labgrid's model `simplerest`, and what it was asked for."""
    asked: list[str] = []

    class Switch(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Switch)
    thread = threading.Thread(target=server.serve_forever, args=(STEP_S,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/{{index}}/{{value}}", asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@dataclass
class Lab:
    """A running coordinator, and labgrid's own programs to talk to it."""

    folder: Path
    address: str

    def start(self, program: str, *arguments: str) -> "subprocess.Popen[bytes]":
        log = (self.folder / f"{program}.log").open("wb")
        with log:
            return subprocess.Popen(
                [_program(program), *arguments],
                cwd=self.folder,  # the coordinator keeps its places here
                env=os.environ | {"LG_COORDINATOR": self.address},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def client(self, *arguments: str) -> str:
        done = subprocess.run(
            [_program("labgrid-client"), *arguments],
            cwd=self.folder,
            env=os.environ | {"LG_COORDINATOR": self.address},
            capture_output=True,
            text=True,
            timeout=START_S * timeout_scale(),
        )
        if done.returncode:
            raise RuntimeError(f"labgrid-client {' '.join(arguments)}: {done.stdout}{done.stderr}")
        return done.stdout

    def wait(self, holds: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + START_S * timeout_scale()
        while not holds():
            assert time.monotonic() < deadline, what + self.logs()
            time.sleep(0.1)

    def logs(self) -> str:
        return "".join(f"\n{path.name}: {path.read_text()}" for path in self.folder.glob("*.log"))


def _program(name: str) -> str:
    return str(Path(sys.executable).with_name(name))


def _answers(address: str) -> bool:
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=1).close()
    except OSError:
        return False
    return True


@contextmanager
def lab(folder: Path, exporter: Path, place: str) -> Iterator[Lab]:
    """A coordinator with what an exporter's file lends out; `place`, of all of that, is ours."""
    folder.mkdir()
    made = Lab(folder, f"127.0.0.1:{free_port()}")
    with ExitStack() as stack:

        def start(program: str, *arguments: str) -> None:
            process = made.start(program, *arguments)
            stack.callback(process.wait)
            stack.callback(process.terminate)

        start("labgrid-coordinator", "--listen", made.address)
        made.wait(lambda: _answers(made.address), "the coordinator does not answer")
        start("labgrid-exporter", "--name", "bench", str(exporter))
        n_resources = 2
        made.wait(
            lambda: made.client("resources").count(f"bench/{place}/") == n_resources,
            "the exporter's resources are not there",
        )
        made.client("-p", place, "create")
        made.client("-p", place, "add-match", f"*/{place}/*")
        made.client("-p", place, "acquire")
        yield made
        made.client("-p", place, "release")
