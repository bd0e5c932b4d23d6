"""What is asked for: whether a path has one reading only, and whether it is a query or a command."""

from __future__ import annotations

from strangler.manifest import Capability, Manifest, routes
from strangler.manifest.values import SAFE, UNSAFE
from strangler.routing.nginx.writing import block, file, literal, plain

KIND = "$strangler_method_kind"

_ODD = plain(r"""
    # The path as it came, before anybody decodes it. Two readers of the same bytes must not see two
    # different paths: what has encoded slashes, dot segments, empty segments, backslashes, control
    # characters, a fragment or a lonely % is odd, and so is what is no UTF-8.
    map $request_uri $strangler_odd {
        default odd;
        "~^(?:/(?!\.\.?(?:/|\?|$))[A-Za-z0-9._~!$&'()*+,;=:@-]+)*/?(?:\?|$)" "";
        "~^(?![^?]*(?://|[\x00-\x1f\x7f\x5c#]|%(?![0-9A-Fa-f]{2})|%2[Ff]|%5[Cc]|%[01][0-9A-Fa-f]|%7[Ff]|/(?:\.|%2[Ee]){1,2}(?:/|\?|$)))/" $strangler_unreadable;
    }
    map $uri $strangler_unreadable {
        default odd;
        "~^(?:[\x01-\x7f]|[\xc2-\xdf][\x80-\xbf]|\xe0[\xa0-\xbf][\x80-\xbf]|[\xe1-\xec\xee\xef][\x80-\xbf]{2}|\xed[\x80-\x9f][\x80-\xbf]|\xf0[\x90-\xbf][\x80-\xbf]{2}|[\xf1-\xf3][\x80-\xbf]{3}|\xf4[\x80-\x8f][\x80-\xbf]{2})*+$" "";
    }
""")


def requests(manifest: Manifest) -> str:
    """The file ``requests.conf``."""
    kinds = [f"{method} queries;" for method in SAFE] + [f"{method} commands;" for method in UNSAFE]
    methods = block(f"map $request_method {KIND}", ['default "";', *kinds])
    return file(
        "What is asked for: whether a path has one reading only, and whether a request is a query "
        "(it changes nothing, and may be asked anywhere) or a command (it is the owner's alone).",
        _ODD,
        "# By method; one that no capability knows is neither.\n" + methods,
        *filter(None, map(_exceptions, manifest.capabilities.values())),
    )


def kind(capability: Capability) -> str:
    """The variable that says which kind a request of this capability is."""
    return f"$strangler_kind_{capability.name}" if capability.queries else KIND


def _exceptions(capability: Capability) -> str | None:
    if not capability.queries:
        return None
    # By regular expression: a map compares plain texts without regard to case.
    lines = [
        f'"~^{method} {pattern(routes.segments(path))}/?$" queries;'
        for method, path in capability.queries
    ]
    said = f"# {capability.name}: queries by nature, though not by method.\n"
    return said + block(
        f'map "$request_method $uri" {kind(capability)}', [f"default {KIND};", *lines]
    )


def pattern(segments: tuple[str, ...]) -> str:
    """A path of these segments as a regular expression; ``*`` stands for exactly one."""
    return "".join("/" + ("[^/]+" if one == routes.EVERY else literal(one)) for one in segments)
