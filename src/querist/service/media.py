"""What bytes are, by how they begin: pictures and sounds that browsers know."""

from __future__ import annotations

_PICTURES = {
    b"\x89PNG\r\n\x1a\n": "image/png",
    b"\xff\xd8\xff": "image/jpeg",
    b"GIF87a": "image/gif",
    b"GIF89a": "image/gif",
}
_SOUNDS = {  # each with a byte that no text has there
    b"fLaC\0": "audio/flac",
    b"fLaC\x80": "audio/flac",
    b"OggS\0": "audio/ogg",
    b"ID3\2": "audio/mpeg",
    b"ID3\3": "audio/mpeg",
    b"ID3\4": "audio/mpeg",
}


def picture_of(data: bytes) -> str:
    """The media type of a picture that browsers show; "" for anything else."""
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    return next((kind for magic, kind in _PICTURES.items() if data.startswith(magic)), "")


def sound_of(data: bytes) -> str:
    """The media type of a sound that browsers play; "" for anything else."""
    if data[:4] == b"RIFF" and data[8:12] == b"WAVE":
        return "audio/wav"
    if data[4:11] == b"ftypM4A":
        return "audio/mp4"
    # A frame of MPEG's layer 3: eleven bits, then version and layer.
    if len(data) > 1 and data[0] == 0xFF and data[1] & 0xE6 == 0xE2:
        return "audio/mpeg"
    return next((kind for magic, kind in _SOUNDS.items() if data.startswith(magic)), "")
