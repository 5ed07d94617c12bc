"""A camera on loopback: FFmpeg plays a clip for ever, as RTP; a small server hands it on over RTSP, interleaved."""

import contextlib
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

REPLIES = {
    "OPTIONS": "Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN\r\n",
    "SETUP": "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\nSession: 1\r\n",
    "PLAY": "Session: 1\r\n",
    "TEARDOWN": "Session: 1\r\n",
}


@contextlib.contextmanager
def rtsp_camera(clip: Path) -> Iterator[str]:
    """The address of a camera that shows the clip again and again, in its own time, to one client."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as packets, socket.create_server(("127.0.0.1", 0)) as server:
        packets.bind(("127.0.0.1", 0))
        with playing(clip, "rtp", f"rtp://127.0.0.1:{packets.getsockname()[1]}") as description:
            thread = threading.Thread(target=_serve, args=(server, packets, description))
            thread.start()
            yield f"rtsp://127.0.0.1:{server.getsockname()[1]}/camera"
            server.shutdown(socket.SHUT_RDWR)
            thread.join()


@contextlib.contextmanager
def playing(clip: Path, muxer: str, target: str) -> Iterator[str]:
    """FFmpeg sends the clip to a target, again and again, in its own time; what it says of it (SDP) is given."""
    sdp = clip.with_suffix(".sdp")
    command = ["ffmpeg", "-loglevel", "error", "-re", "-stream_loop", "-1", "-i", str(clip), "-c", "copy", "-an"]
    command += ["-f", muxer, *(["-sdp_file", str(sdp)] if muxer == "rtp" else []), target]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL) as process:
        try:
            yield _read_once_there(sdp, process) if muxer == "rtp" else ""
        finally:
            process.terminate()


def _read_once_there(path: Path, process: "subprocess.Popen[bytes]") -> str:
    while process.poll() is None:
        with contextlib.suppress(FileNotFoundError):
            text = path.read_text()
            if "a=fmtp" in text and text.endswith("\n"):
                return text
    raise RuntimeError("ffmpeg ended early")


def _serve(server: socket.socket, packets: socket.socket, description: str) -> None:
    with contextlib.suppress(OSError):
        client, _ = server.accept()
        with client:
            _converse(client, packets, _for_interleaved(description))


def _for_interleaved(description: str) -> str:
    lines = [line for line in description.splitlines() if line[:2] in ("v=", "o=", "s=", "t=", "m=", "a=")]
    media = [f"m=video 0 {line.split(' ', 2)[2]}" if line.startswith("m=") else line for line in lines]
    return "\r\n".join([*media, "a=control:streamid=0", ""])


def _converse(client: socket.socket, packets: socket.socket, description: str) -> None:
    requests = client.makefile("rb")
    while request := requests.readline().decode():
        headers = dict(line.split(": ", 1) for line in iter(lambda: requests.readline().decode().strip(), ""))
        method = request.split(" ")[0]
        head = f"RTSP/1.0 200 OK\r\nCSeq: {headers['CSeq']}\r\n"
        if method == "DESCRIBE":
            head += f"Content-Type: application/sdp\r\nContent-Length: {len(description)}\r\n\r\n{description}"
            client.sendall(head.encode())
            continue
        client.sendall((head + REPLIES[method] + "\r\n").encode())
        if method == "PLAY":
            while True:
                packet = packets.recv(65536)
                client.sendall(b"$\0" + len(packet).to_bytes(2, "big") + packet)
