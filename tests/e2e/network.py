"""Addresses and ports that nobody else has, also with several runs at once on one machine."""

import contextlib
import random
import socket

PORT = 4646

_random = random.SystemRandom()


def free(family, address, port):
    """Can UDP and TCP be bound there?"""
    with contextlib.ExitStack() as stack:
        for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
            probe = stack.enter_context(socket.socket(family, kind))
            if kind == socket.SOCK_STREAM:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((address, port))
            except OSError:
                return False
    return True


def loopback():
    """An address of 127.0.0.0/8 for one server; all of them are ours, and 2^24 seldom meet."""
    while True:
        address = f"127.{_random.randint(1, 254)}.{_random.randint(0, 255)}.{_random.randint(1, 254)}"
        if free(socket.AF_INET, address, PORT):
            return address


def port(address):
    """A port there: a daemon of the machine may have the usual one on all addresses."""
    while True:
        number = _random.randint(10000, 32000)
        if free(socket.AF_INET, address, number):
            return number


def port6():
    """A port of ::1 below those that the kernel gives to clients."""
    while True:
        port = _random.randint(10000, 32000)
        if free(socket.AF_INET6, "::1", port):
            return port


def has_ipv6():
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as probe:
            probe.bind(("::1", 0))
        return True
    except OSError:
        return False


@contextlib.contextmanager
def silence(server):
    """Something takes the server's datagrams and says nothing, so that nobody is refused; then the server starts."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as hole:
        hole.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # libcoap sets it as well: both for a moment
        hole.bind((server.address, server.port))
        yield
        server.start()
