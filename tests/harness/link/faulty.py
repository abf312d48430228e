"""A byte stream that loses, damages, repeats and invents bytes, the same ones for the same seed."""

import random

from harness.link.stream import ByteStream


class Noise:
    """Faults on a one-way line; `rate` is the probability for each byte."""

    def __init__(self, rate: float, seed: int) -> None:
        self.rate = rate
        self.faults = 0
        self._random = random.Random(seed)

    def apply(self, data: bytes) -> bytes:
        out = bytearray()
        for byte in data:
            if self._random.random() >= self.rate:
                out.append(byte)
                continue
            self.faults += 1
            match self._random.randrange(4):
                case 0:
                    pass  # lost
                case 1:
                    out.append(byte ^ 1 << self._random.randrange(8))
                case 2:
                    out += bytes([byte, byte])
                case _:
                    out += bytes([byte]) + self._random.randbytes(self._random.randrange(1, 20))
        return bytes(out)


class FaultyStream:
    """`stream` with noise in both directions."""

    def __init__(self, stream: ByteStream, rate: float, seed: int) -> None:
        self._stream = stream
        self.noise_in = Noise(rate, seed)
        self.noise_out = Noise(rate, seed + 1)

    @property
    def faults(self) -> int:
        """Bytes that were changed so far, both ways."""
        return self.noise_in.faults + self.noise_out.faults

    def read(self, timeout_s: float) -> bytes:
        return self.noise_in.apply(self._stream.read(timeout_s))

    def write(self, data: bytes) -> None:
        self._stream.write(self.noise_out.apply(data))

    def reopen(self, timeout_s: float) -> None:
        self._stream.reopen(timeout_s)

    def close(self) -> None:
        self._stream.close()
