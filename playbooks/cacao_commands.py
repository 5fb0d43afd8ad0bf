"""The twelve command types of CACAO v2.0 (section 5), and any other that an author brings.

Flows in: JSON objects. Flows out: `AnyCommand`. What a command needs beside its types (one of `command` and
`command_b64`, a start line of HTTP) is judged by the linter.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Annotated, Literal, get_args

from pydantic import Discriminator, Field, Tag

from .cacao_data import ExternalReference
from .cacao_reading import PlaybookError
from .cacao_words import CommandType, Model, type_tag


class Command(Model):
    """What every command has (5.1)."""

    type: str
    description: str = ""
    version: str | None = None
    playbook_activity: str | None = None
    external_references: list[ExternalReference] = Field(default_factory=list)


class TextCommand(Command):
    """A command that is text: in the clear, or as base64 where signs matter."""

    type: Literal["manual", "bash", "powershell", "ssh", "caldera-cmd"]
    command: str | None = None
    command_b64: str | None = None

    def text(self) -> str:
        """The command in the clear.

        Raises:
            PlaybookError: command_b64 is no base64 of UTF-8 text.
        """
        return self.command or "" if self.command_b64 is None else decoded_text(self.command_b64, "command_b64")


class ManualCommand(TextCommand):
    """A task for a person."""

    type: Literal["manual"]


class BashCommand(TextCommand):
    """A command of a local shell."""

    type: Literal["bash"]


class PowershellCommand(TextCommand):
    """A command of PowerShell."""

    type: Literal["powershell"]


class SshCommand(TextCommand):
    """A command of a remote shell."""

    type: Literal["ssh"]


class CalderaCommand(TextCommand):
    """An ability of MITRE Caldera, by reference."""

    type: Literal["caldera-cmd"]


class HttpCommand(Command):
    """A request: `command` is a start line of HTTP, e.g. `POST /x HTTP/1.1`."""

    type: Literal["http-api", "openc2-http"]
    command: str
    headers: Mapping[str, list[str]] = Field(default_factory=dict)
    content: str | None = None
    content_b64: str | None = None

    def body(self) -> bytes:
        """The content to send, decoded.

        Raises:
            PlaybookError: content_b64 is no base64.
        """
        return (self.content or "").encode() if self.content_b64 is None else decoded(self.content_b64, "content_b64")


class HttpApiCommand(HttpCommand):
    """A request to an HTTP API."""

    type: Literal["http-api"]


class OpenC2Command(HttpCommand):
    """An OpenC2 command over HTTP; its body is base64."""

    type: Literal["openc2-http"]
    content_b64: str


class EncodedCommand(Command):
    """A hunt or rule in a language of its own, base64."""

    type: Literal["elastic", "jupyter", "kestrel", "sigma", "yara"]
    command_b64: str

    def text(self) -> str:
        """The command in the clear.

        Raises:
            PlaybookError: command_b64 is no base64 of UTF-8 text.
        """
        return decoded_text(self.command_b64, "command_b64")


class ElasticCommand(EncodedCommand):
    """A query of Elasticsearch."""

    type: Literal["elastic"]


class JupyterCommand(EncodedCommand):
    """A Jupyter notebook."""

    type: Literal["jupyter"]


class KestrelCommand(EncodedCommand):
    """A hunt of Kestrel."""

    type: Literal["kestrel"]


class SigmaCommand(EncodedCommand):
    """A Sigma rule."""

    type: Literal["sigma"]


class YaraCommand(EncodedCommand):
    """A YARA rule."""

    type: Literal["yara"]


class OtherCommand(Command):
    """A command of a type that the standard does not know: kept whole, never run."""


AnyCommand = Annotated[
    Annotated[ManualCommand, Tag("manual")]
    | Annotated[BashCommand, Tag("bash")]
    | Annotated[PowershellCommand, Tag("powershell")]
    | Annotated[SshCommand, Tag("ssh")]
    | Annotated[CalderaCommand, Tag("caldera-cmd")]
    | Annotated[HttpApiCommand, Tag("http-api")]
    | Annotated[OpenC2Command, Tag("openc2-http")]
    | Annotated[ElasticCommand, Tag("elastic")]
    | Annotated[JupyterCommand, Tag("jupyter")]
    | Annotated[KestrelCommand, Tag("kestrel")]
    | Annotated[SigmaCommand, Tag("sigma")]
    | Annotated[YaraCommand, Tag("yara")]
    | Annotated[OtherCommand, Tag("other")],
    Discriminator(type_tag(frozenset(get_args(CommandType)))),
]


def decoded(text: str, field: str) -> bytes:
    """Bytes of strict base64 (RFC 4648, section 4).

    Raises:
        PlaybookError: it is none.
    """
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise PlaybookError(f"{field}: {error}; encode it anew as base64") from None


def decoded_text(text: str, field: str) -> str:
    """UTF-8 text of strict base64.

    Raises:
        PlaybookError: it is no base64, or no UTF-8.
    """
    try:
        return decoded(text, field).decode("utf-8")
    except UnicodeDecodeError:
        raise PlaybookError(f"{field}: holds no UTF-8 text; encode the text anew") from None
