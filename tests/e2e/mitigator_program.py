"""What dotsgw runs as a mitigator in the tests: writes down what it is told, says what it is told to say.

Run with a folder: each line from the gateway is appended to `told`; each line that somebody writes
to the FIFO `say` goes to the gateway.
"""

import os
import selectors
import sys


def main():
    folder = sys.argv[1]
    told = os.open(os.path.join(folder, "told"), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    # Read and write: with a writer of our own the FIFO never comes to its end.
    say = os.open(os.path.join(folder, "say"), os.O_RDWR | os.O_NONBLOCK)
    selector = selectors.DefaultSelector()
    selector.register(0, selectors.EVENT_READ)
    selector.register(say, selectors.EVENT_READ)
    while True:
        for key, _ in selector.select():
            data = os.read(key.fd, 65536)
            if key.fd == say:
                os.write(1, data)
            elif data:
                os.write(told, data)
            else:
                return


main()
