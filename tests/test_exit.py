"""The process exits without errors while frameworks still hold each other's memory."""

import pytest

from child import run_child

pytestmark = [pytest.mark.slow, pytest.mark.requires("torch", "ml_dtypes")]

VIEWS = """
import atexit, threading
import interop, numpy as np, torch

def views():
    arrays, tensors = [np.ones((2, 3)) for _ in range(3)], [torch.ones(2, 3) for _ in range(3)]
    weight = torch.nn.Parameter(torch.ones(3))
    return [
        arrays, tensors, [interop.to_torch(a) for a in arrays], [interop.to_numpy(t) for t in tensors],
        interop.to_torch(memoryview(b"abc"), readonly="share"), interop.to_numpy(weight, detach=True),
        interop.to_numpy(torch.ones(3, dtype=torch.bfloat16)), interop.to_numpy(torch.ones(1).expand(3)),
    ]

def use(things):
    assert things[2][0].sum() == things[3][0].sum() == 6
"""
ENDS = {
    "of module level": "kept = views(); use(kept)",
    "of a cycle": "kept = views(); kept.append(kept); use(kept)",
    "of a thread": """
def work():
    local.kept = views()
    use(local.kept)
local = threading.local()
threads = [threading.Thread(target=work) for _ in range(4)]
[thread.start() for thread in threads]
""",
    "of a daemon that never ends": """
def work():
    kept = views()
    use(kept)
    started.set()
    threading.Event().wait()  # torch itself ends the process if it is at work just then
started = threading.Event()
threading.Thread(target=work, daemon=True).start()
started.wait()
""",
    "of a handler": """
kept = views()
@atexit.register
def last():
    use(kept)
    kept.append(views())
""",
    "of the first conversion": """
@atexit.register
def last():
    global kept
    kept = views()
    use(kept)
""",
    "with an error": """
kept = views()
try:
    interop.to_torch(kept[0][0][::-1], copy=False)
except interop.CopyRequiredError as error:
    kept.append(error)
""",
}


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
def test_interpreter_exit_with_live_views_is_silent(end: str) -> None:
    """The exit causes no crash, no traceback and no warning."""
    assert run_child(VIEWS + end + "\nprint('done')") == "done\n"
