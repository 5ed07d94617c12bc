"""Clips that name other files or addresses: nothing is fetched and nothing is read but the clip itself.

FFmpeg follows playlists, manifests and references by default (CVE-2016-1897 and its like).
"""

import asyncio
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from tests.support.server import status_and_code

pytestmark = pytest.mark.asyncio(loop_scope="session")


@asynccontextmanager
async def listener() -> AsyncIterator[tuple[int, list[object]]]:
    """A port that no clip may lead to, and who came all the same."""
    came: list[object] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        came.append(writer.get_extra_info("peername"))
        writer.close()

    async with await asyncio.start_server(talk, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1], came


def atom(kind: bytes, *parts: bytes) -> bytes:
    """One box of an MP4."""
    body = b"".join(parts)
    return struct.pack(">I4s", 8 + len(body), kind) + body


def mov_of_elsewhere(target: bytes) -> bytes:
    """A QuickTime film whose pictures lie in another file, named by its data reference."""
    reference = atom(b"dref", bytes(4), struct.pack(">I", 1), atom(b"url ", bytes(4), target, b"\0"))
    entry = atom(b"jpeg", bytes(6), b"\0\1", bytes(16), struct.pack(">HH", 64, 48), bytes(50))
    table = atom(
        b"stbl",
        atom(b"stsd", bytes(4), struct.pack(">I", 1), entry),
        atom(b"stts", bytes(4), struct.pack(">III", 1, 1, 1)),
        atom(b"stsc", bytes(4), struct.pack(">IIII", 1, 1, 1, 1)),
        atom(b"stsz", bytes(4), struct.pack(">II", 100, 1)),
        atom(b"stco", bytes(4), struct.pack(">II", 1, 0)),
    )
    handler = atom(b"hdlr", bytes(8), b"vide", bytes(13))
    header = atom(b"mdhd", bytes(12), struct.pack(">IIHH", 25, 1, 0, 0))
    media = atom(b"mdia", header, handler, atom(b"minf", atom(b"dinf", reference), table))
    track = atom(b"trak", atom(b"tkhd", bytes(12), struct.pack(">I", 1), bytes(68)), media)
    film = atom(b"mvhd", bytes(12), struct.pack(">II", 25, 1), bytes(80))
    return atom(b"ftyp", b"qt  ", bytes(4), b"qt  ") + atom(b"moov", film, track)


BODIES: dict[str, str] = {
    "hls": "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{target}\n#EXT-X-ENDLIST\n",
    "hls of hls": "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\n{target}\n",
    "hls with a key": '#EXTM3U\n#EXT-X-KEY:METHOD=AES-128,URI="{target}"\n#EXTINF:1,\n{target}\n#EXT-X-ENDLIST\n',
    "hls of concat": "#EXTM3U\n#EXTINF:1,\nconcat:{target}|{target}\n#EXT-X-ENDLIST\n",
    "hls of subfile": "#EXTM3U\n#EXTINF:1,\nsubfile,,start,0,end,9,,:{target}\n#EXT-X-ENDLIST\n",
    "concat list": "ffconcat version 1.0\nfile '{target}'\n",
    "dash": '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static"><Period><AdaptationSet>'
    '<Representation id="1" bandwidth="1"><BaseURL>{target}</BaseURL></Representation></AdaptationSet></Period></MPD>',
    "smooth streaming": '<?xml version="1.0"?><SmoothStreamingMedia><StreamIndex Type="video" Url="{target}"/>'
    "</SmoothStreamingMedia>",
    "imf": '<?xml version="1.0"?><CompositionPlaylist><Id>{target}</Id></CompositionPlaylist>',
    "sdp": "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\nc=IN IP4 127.0.0.1\r\nm=video {port} RTP/AVP 96\r\n",
    "asx": '<asx version="3.0"><entry><ref href="{target}"/></entry></asx>',
    "smil": '<smil><body><video src="{target}"/></body></smil>',
    "m3u": "{target}\n",
    "pls": "[playlist]\nFile1={target}\nNumberOfEntries=1\n",
    "ram": "{target}\n",
    "svg": '<svg xmlns="http://www.w3.org/2000/svg"><image href="{target}"/></svg>',
    "xspf": '<playlist xmlns="http://xspf.org/ns/0/"><trackList><track><location>{target}</location></track>'
    "</trackList></playlist>",
    "rtsp redirect": "RTSP/1.0 302 Moved\r\nLocation: {target}\r\n\r\n",
    "avisynth": 'AviSource("{target}")\n',
    "vapoursynth": 'import vapoursynth as vs\nvs.core.lsmas.LWLibavSource("{target}").set_output()\n',
    "lavfi": "movie={target}",
}


@pytest.mark.parametrize("kind", ["url", "file"])
@pytest.mark.parametrize("name", [*BODIES, "mov with a data reference"])
async def test_a_clip_leads_nowhere(name: str, kind: str, http: httpx.AsyncClient, tmp_path: Path, clip: bytes) -> None:
    """Refused, whatever name it comes under; no connection is made, no other file shows in the answer."""
    other = tmp_path / "other.mp4"
    other.write_bytes(clip)  # A clip that could be read, so that following the reference would succeed.
    async with listener() as (port, came):
        target = f"http://127.0.0.1:{port}/a.mp4" if kind == "url" else f"file://{other}"
        body = BODIES[name].format(target=target, port=port).encode() if name in BODIES else None
        body = body or mov_of_elsewhere((target if kind == "url" else str(other)).encode())
        for media in ("application/octet-stream", "application/vnd.apple.mpegurl", "video/mp4"):
            answer = await http.post("/v1/clips", content=body, headers={"Content-Type": media})
            assert status_and_code(answer)[0] in (415, 422), answer.text
            assert str(other) not in answer.text
    assert not came


@pytest.mark.parametrize("name", ["../../etc/passwd", "http://127.0.0.1/a.mp4", "concat:/etc/passwd", "-i", "a\0b"])
async def test_a_forms_file_name_is_no_path(name: str, http: httpx.AsyncClient, clip: bytes) -> None:
    """It is not used at all."""
    answer = await http.post("/v1/clips", files={"file": (name, clip, "video/mp4")})
    assert answer.status_code == 200
    assert len(answer.json()["frames"]) == 10
