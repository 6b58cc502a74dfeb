"""The process on its machine: processes, privileges, the filter, what the service manager hears."""

import os
import pathlib
import pwd
import re
import shutil
import signal
import socket
import tempfile

import pytest

from fixtures import gateways
from gateway import client_entry
from pki import Pki
from processes import program
from waiting import wait_for

ONE = "203.0.113.1/32"
PLAIN = "DOTSGW_PLAIN_BUILD_DIR"
NOBODY = "nobody"

needs_plain_build = pytest.mark.skipif(not os.environ.get(PLAIN), reason="builds with sanitizers have no filter")
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root has privileges to give up")


def status_of(pid):
    lines = pathlib.Path(f"/proc/{pid}/status").read_text().splitlines()
    return dict(line.split(":\t", 1) for line in lines if ":\t" in line)


def children(pid):
    return [int(each) for each in pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def spawner_of(gateway):
    (pid,) = children(gateway.process.popen.pid)
    return pid


def is_there(pid):
    try:
        return status_of(pid)["State"][0] != "Z"
    except FileNotFoundError:
        return False


@needs_plain_build
def test_gateway_in_operation_is_filtered_and_nothing_it_needs_is_refused(make_server, make_client, pki, mitigator):
    server = make_server("server")
    server.stop()
    server.command = [program("dotsgw", PLAIN)]
    server.start()
    pid = server.process.popen.pid
    assert status_of(pid)["Seccomp"] == "2"
    assert {status_of(int(thread.name))["Seccomp"] for thread in pathlib.Path(f"/proc/{pid}/task").iterdir()} == {"2"}
    assert status_of(spawner_of(server))["Seccomp"] == "0", "it runs programs"
    for credentials, transport in ((pki.certificate("web.test"), "udp"), (pki.psk("shop"), "tcp")):
        client = make_client(server, credentials, transport)
        assert client.put(1, ONE).code in ("2.01", "4.09")
    # A name makes a thread for the resolver.
    assert make_client(server, pki.psk("shop")).run("put", "2", "-f", "www.shop.test").code == "2.01"
    server.process.signal(signal.SIGHUP)
    server.wait_log(" notice reload: ")
    mitigator.wait_job(ONE)
    server.stop()  # and its log has no refused call


@needs_plain_build
def test_filter_can_be_left_out(make_server):
    server = make_server(gateway={"seccomp": False})
    server.stop()
    server.command = [program("dotsgw", PLAIN)]
    server.start()
    assert status_of(server.process.popen.pid)["Seccomp"] == "0"


@pytest.fixture
def nobodys(make_client):
    """A gateway for another user: everything that it names belongs to that user, and nobody else may read it."""
    directory = pathlib.Path(tempfile.mkdtemp(prefix="dotsgw-nobody-"))
    directory.chmod(0o755)
    (directory / "pki").mkdir()
    pki = Pki(directory / "pki")
    with gateways(directory, pki) as make:
        gateway = make("server", clients=[client_entry("shop", pki.psk("shop"))], gateway={"user": NOBODY})
        gateway.configure(mitigators=[{"name": "operators", "driver": "notify"}])
        gateway.configure(listeners=[{"address": gateway.address, "port": 443, "transports": ["tcp"]}])
        gateway.port = 443
        gateway.state.mkdir()
        gateway.credentials = pki.psk("shop")
        entry = pwd.getpwnam(NOBODY)
        for path in directory.rglob("*"):
            os.chown(path, entry.pw_uid, entry.pw_gid)
        yield gateway
    shutil.rmtree(directory)


@needs_root
def test_gateway_becomes_its_user_and_keeps_one_capability(nobodys, make_client):
    nobodys.start()
    pids = (nobodys.process.popen.pid, spawner_of(nobodys))
    assert {status_of(pid)["Uid"] for pid in pids} == {"\t".join([str(pwd.getpwnam(NOBODY).pw_uid)] * 4)}
    status, spawners = (status_of(pid) for pid in pids)
    assert {int(status[name], 16) for name in ("CapPrm", "CapEff", "CapBnd")} == {1 << 10}
    assert {int(spawners[name], 16) for name in ("CapPrm", "CapEff", "CapAmb")} == {0}
    client = make_client(nobodys, nobodys.credentials, "tcp")
    assert client.put(1, ONE).code == "2.01", "on a low port, bound as that user"


def test_user_that_does_not_exist(make_gateway, mitigator):
    server = make_gateway("server", mitigators=[mitigator.config()], gateway={"user": "no-such-user"})
    with pytest.raises(AssertionError, match="gateway.user: there is no user no-such-user here"):
        server.start()
    server.process = None  # it is over


def test_spawner_ends_with_the_gateway(server, mitigator, web):
    assert web.put(1, ONE).code == "2.01"
    mitigator.wait_job(ONE)
    spawner = spawner_of(server)
    (program_pid,) = children(spawner)
    server.crash()
    wait_for(lambda: not is_there(spawner), "the end of the spawner")
    wait_for(lambda: not is_there(program_pid), "the end of the program, whose input is closed")


def test_signals_of_a_terminal_leave_the_spawner_to_the_gateway(server, web, mitigator):
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        os.kill(spawner_of(server), number)
    assert web.put(1, ONE).code == "2.01"
    mitigator.wait_job(ONE)


def test_lost_spawner_is_told_and_the_gateway_goes_on(server, web):
    os.kill(spawner_of(server), signal.SIGKILL)
    server.wait_log("error spawner-lost: .* restart dotsgw")
    assert web.put(1, ONE).code == "2.01"


@pytest.fixture
def manager(tmp_path):
    """What a service manager listens on."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "notify"))
        listener.settimeout(30)
        yield listener


def test_service_manager_is_told(make_gateway, mitigator, manager, tmp_path):
    server = make_gateway("server", mitigators=[mitigator.config()])
    environment = [f"NOTIFY_SOCKET={tmp_path / 'notify'}", "WATCHDOG_USEC=200000"]
    server.command = [shutil.which("env"), *environment, program("dotsgw")]
    server.start()
    heard = [manager.recv(4096).decode() for _ in range(4)]
    assert "READY=1\nSTATUS=Serving as server.test" in heard
    assert heard.count("WATCHDOG=1") >= 3
    server.process.signal(signal.SIGHUP)
    while not (told := manager.recv(4096).decode()).startswith("RELOADING=1\nMONOTONIC_USEC="):
        assert told == "WATCHDOG=1"
    while (told := manager.recv(4096).decode()) != "READY=1\nSTATUS=Serving as server.test":
        assert told == "WATCHDOG=1"
    server.process.signal(signal.SIGTERM)
    while not (told := manager.recv(4096).decode()).startswith("STOPPING=1"):
        assert told == "WATCHDOG=1"
    server.check_end()
    assert not re.search("NOTIFY", server.log)


def test_service_manager_is_told_of_reloads_and_drains(make_server, make_client, pki, manager, tmp_path):
    server = make_server()
    server.stop()
    server.command = [shutil.which("env"), f"NOTIFY_SOCKET={tmp_path / 'notify'}", program("dotsgw")]
    server.start()

    def hear(*expected):
        for pattern in expected:
            told = manager.recv(4096).decode()
            assert re.fullmatch(pattern, told, re.DOTALL), told

    reloading = r"RELOADING=1\nMONOTONIC_USEC=\d+\n.*"
    serving, draining = r"READY=1\nSTATUS=Serving as .*", r"READY=1\nSTATUS=Draining.*"
    hear(serving)
    held = make_client(server, pki.certificate("web.test")).hold()
    server.reload(limits={"sessions": 77})
    hear(reloading, serving)
    server.reload_refused(limits={"sessions": -1})
    hear(reloading, serving)
    server.process.signal(signal.SIGUSR1)
    hear(draining)
    server.process.signal(signal.SIGUSR2)
    hear(serving)
    server.process.signal(signal.SIGUSR1)
    hear(draining)
    held.stop()
    hear("STOPPING=1.*")
    server.check_end()
