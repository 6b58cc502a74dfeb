"""Chromium without a screen: what a page looks like and says once its scripts have run."""

import html.parser
import json
import shutil
import subprocess

from processes import die_with_parent

BROWSERS = ("chromium", "chromium-browser", "google-chrome")


def installed():
    return next((path for name in BROWSERS if (path := shutil.which(name))), None)


class Element:
    """A part of a document: tag, attributes, text of all that is in it."""

    def __init__(self, tag, attributes):
        self.tag, self.attributes = tag, dict(attributes)
        self.children, self.pieces = [], []

    @property
    def text(self):
        """What is to be read, spaces made one."""
        return " ".join("".join(self._texts()).split())

    def _texts(self):
        for piece in self.pieces:
            if isinstance(piece, str):
                yield piece
            else:
                apart = " " if piece.tag in ("td", "th", "dd", "dt", "li", "small", "title", "text") else ""
                yield apart
                yield from piece._texts()
                yield apart

    def all(self, tag=None, **attributes):
        """Everything below with this tag and these attributes, in order; class_ stands for one of the classes."""
        for child in self.children:
            wanted = tag is None or child.tag == tag
            for key, value in attributes.items():
                has = child.attributes.get(key.rstrip("_"))
                wanted = wanted and has is not None and (value in has.split() if key == "class_" else has == value)
            if wanted:
                yield child
            yield from child.all(tag, **attributes)

    def one(self, tag=None, **attributes):
        found = list(self.all(tag, **attributes))
        assert len(found) == 1, (tag, attributes, len(found))
        return found[0]


class _Reader(html.parser.HTMLParser):
    VOID = {"meta", "link", "input", "br", "img", "hr"}

    def __init__(self):
        super().__init__()
        self.root = Element("document", {})
        self.open = [self.root]

    def handle_starttag(self, tag, attrs):
        made = Element(tag, attrs)
        self.open[-1].children.append(made)
        self.open[-1].pieces.append(made)
        if tag not in self.VOID:
            self.open.append(made)

    def handle_endtag(self, tag):
        while len(self.open) > 1 and self.open.pop().tag != tag:
            pass

    def handle_data(self, data):
        self.open[-1].pieces.append(data)


class Browser:
    """Every run begins with a profile of its own."""

    def __init__(self, directory):
        self.directory = directory
        self.runs = 0

    def run(self, url, *flags, size="1600,1400", budget=5000):
        """budget: ms of the page's time. Returns what is on standard output, and what the console said."""
        self.runs += 1
        profile = self.directory / f"profile-{self.runs}"
        command = [
            installed(),
            "--headless=new",
            "--no-sandbox",  # as root
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.*",  # what the browser itself would like to tell its maker
            "--no-first-run",
            "--hide-scrollbars",
            f"--user-data-dir={profile}",
            f"--window-size={size}",
            f"--virtual-time-budget={budget}",
            f"--log-net-log={profile}.net.json",
            "--enable-logging=stderr",
            *flags,
            url,
        ]
        environment = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": str(self.directory), "LANG": "C.UTF-8", "TZ": "UTC"}
        done = subprocess.run(
            command, capture_output=True, timeout=90, env=environment, preexec_fn=die_with_parent, check=False
        )
        said = done.stderr.decode(errors="replace")
        assert done.returncode == 0, said[-3000:]
        self.log = json.loads(profile.with_name(f"{profile.name}.net.json").read_text())
        return done.stdout.decode(), [line for line in said.splitlines() if "CONSOLE" in line]

    def asked_for(self, origin):
        """The URLs that pages of this origin asked for in the last run."""
        events = [event.get("params", {}) for event in self.log["events"]]
        return {event["url"] for event in events if event.get("initiator") == origin and "url" in event}

    def document(self, url, **options):
        """The document once its scripts have run, and what the console said."""
        out, console = self.run(url, "--dump-dom", **options)
        reader = _Reader()
        reader.feed(out)
        return reader.root, console

    def screenshot(self, url, file, **options):
        self.run(url, f"--screenshot={file}", **options)
        return file
