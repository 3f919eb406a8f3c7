"""A leader that is dead, though one of its threads lives on."""

import ctypes
import threading
import time

threading.Thread(target=time.sleep, args=(600,)).start()
print("ONSET", flush=True)
ctypes.CDLL(None).pthread_exit(None)
