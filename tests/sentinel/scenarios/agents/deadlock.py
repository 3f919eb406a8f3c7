"""Two threads that wait for one another."""

import threading

first, second = threading.Lock(), threading.Lock()
barrier = threading.Barrier(2)


def take(one: threading.Lock, other: threading.Lock) -> None:
    with one:
        barrier.wait()
        with other:
            pass


print("ONSET", flush=True)
thread = threading.Thread(target=take, args=(second, first))
thread.start()
take(first, second)
