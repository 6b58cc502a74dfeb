"""A path between two DTLS peers on which a test decides the fate of each datagram."""

import select
import socket
import threading

# Content types and the header of a record: RFC 6347 section 4.1. A ticket: RFC 5077 section 3.3.
CHANGE_CIPHER, HANDSHAKE, APPLICATION = 20, 22, 23
HEADER = 13
TICKET = 4


def records(datagram):
    """(content type, epoch, first byte of the content) of each record."""
    while len(datagram) > HEADER:
        length = int.from_bytes(datagram[11:HEADER], "big")
        yield datagram[0], int.from_bytes(datagram[3:5], "big"), datagram[HEADER]
        datagram = datagram[HEADER + length :]


def has_application_data(datagram):
    return any(content == APPLICATION for content, _, _ in records(datagram))


def ends_handshake(datagram):
    """Does it have a part of the last flight: ticket, ChangeCipherSpec or Finished?"""
    return any(
        content == CHANGE_CIPHER or (content == HANDSHAKE and (epoch > 0 or first == TICKET))
        for content, epoch, first in records(datagram)
    )


class ScriptedPath:
    """judge(direction, datagram) -> bool: does it pass? direction is "forward" (to the gateway) or "back". For one
    client at a time."""

    def __init__(self, gateway, judge):
        self.host, self.address = gateway.host, "127.0.0.1"
        self.judge = judge
        self._front = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._front.bind((self.address, 0))
        self.port = self._front.getsockname()[1]
        self._back = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._back.connect((gateway.address, gateway.port))
        self._client = None
        self._end, self._ended = socket.socketpair()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        while True:
            ready, _, _ = select.select([self._front, self._back, self._ended], [], [])
            if self._ended in ready:
                return
            for end in ready:
                self._pass(end)

    def _pass(self, end):
        try:
            data, peer = end.recvfrom(65536)
            forward = end is self._front
            if forward:
                self._client = peer
            if not self.judge("forward" if forward else "back", data):
                return
            if forward:
                self._back.send(data)
            elif self._client:
                self._front.sendto(data, self._client)
        except ConnectionRefusedError:
            pass

    def stop(self):
        self._end.close()
        self._thread.join()
        for each in (self._front, self._back, self._ended):
            each.close()
