"""A program on a terminal of its own (pty(7)): what it prints is read and recorded, what is typed is passed to it.

Little is imported here, as each shell of the page has a process with this in it.
"""

import codecs
import os
import select
import signal
import termios
from collections.abc import Mapping, Sequence

from halab.kit.recording import Recording

MOST = 65_536  # bytes that are read at once
IUTF8 = 0o40000  # the terminal erases whole letters (termios(3)); Python's module does not have it
IFLAG = 0  # which part of what tcgetattr() returns
GRACE = 1.0  # seconds that a program has to end in, once its terminal is gone


class Session:
    """A program that leads a session, whose terminal this is. Its descriptor does not block, for reading or writing.

    With a recording, what appears is recorded, and each change of the size.
    """

    def __init__(
        self,
        argv: Sequence[str],
        size: os.terminal_size,
        recording: Recording | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.size = size
        self._recording = recording
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._status: int | None = None
        self._terminal, its_end = os.openpty()
        try:
            flags = termios.tcgetattr(its_end)
            flags[IFLAG] |= IUTF8
            termios.tcsetattr(its_end, termios.TCSANOW, flags)
            termios.tcsetwinsize(its_end, (size.lines, size.columns))
            # What a leader of a session opens first becomes its terminal. No fork: threads may run beside this
            self.pid = os.posix_spawnp(
                argv[0],
                list(argv),
                os.environ if environment is None else environment,
                file_actions=[
                    (os.POSIX_SPAWN_OPEN, 0, os.ttyname(its_end), os.O_RDWR, 0),
                    (os.POSIX_SPAWN_DUP2, 0, 1),
                    (os.POSIX_SPAWN_DUP2, 0, 2),
                ],
                setsid=True,
                setsigmask=[],
                setsigdef=[signal.SIGPIPE, signal.SIGXFSZ],  # which Python ignores
            )
        except BaseException:
            os.close(self._terminal)
            raise
        finally:
            os.close(its_end)
        os.set_blocking(self._terminal, False)
        self.end = os.pidfd_open(self.pid)  # can be read once the program has ended (pidfd_open(2))

    def fileno(self) -> int:
        return self._terminal

    def read(self, most: int = MOST) -> bytes:
        """Return what was printed; nothing at the terminal's end. Raises BlockingIOError when there is nothing yet."""
        try:
            data = os.read(self._terminal, most)
        except BlockingIOError:
            raise
        except OSError:  # EIO: nobody has the terminal open any more
            data = b""
        if self._recording:
            self._recording.wrote(self._decoder.decode(data, final=not data))
        return data

    def write(self, data: bytes | bytearray) -> int:
        """Type as much as the terminal takes now, and return how many bytes that is."""
        try:
            return os.write(self._terminal, data)
        except BlockingIOError:
            return 0
        except OSError:  # it is closed, and whatever is typed is lost
            return len(data)

    def resize(self, size: os.terminal_size) -> None:
        if size != self.size:
            self.size = size
            termios.tcsetwinsize(self._terminal, (size.lines, size.columns))
            if self._recording:
                self._recording.resized(size.columns, size.lines)

    def wait(self) -> int:
        """Return the exit status as a shell has it: if a signal killed the program, 128 plus the signal's number."""
        if self._status is None:
            status = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
            self._status = status if status >= 0 else 128 - status
            if self._recording:
                self._recording.wrote(self._decoder.decode(b"", final=True))
        return self._status

    def hang_up(self) -> int:
        """Take the terminal away, as closing a window does, see that the program ends, and return its status."""
        self._close_terminal()
        if self._status is None:
            for number in (signal.SIGHUP, signal.SIGCONT):
                os.kill(self.pid, number)
            if not select.select([self.end], [], [], GRACE)[0]:
                os.kill(self.pid, signal.SIGKILL)
        return self.wait()

    def close(self) -> None:
        """Close what is open here. The program goes on, if it has not ended, without a terminal."""
        self._close_terminal()
        if self.end >= 0:
            os.close(self.end)
            self.end = -1

    def _close_terminal(self) -> None:
        if self._terminal >= 0:
            os.close(self._terminal)
            self._terminal = -1
