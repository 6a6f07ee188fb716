"""The parts of the kind `fuzz`.

- `sources.py`: an array of any framework with everything that is known about it without interop
- `layouts.py`: random positions of elements in memory
- `makers.py`: functions that make random sources
- `oracle.py`: what the documentation promises for one conversion
- `results.py`: checks a result, read through the API of its own framework
- `keywords.py`: random targets and keywords, and keywords that are wrong
- `single.py`, `groups.py`, `trees.py`, `lazy.py`, `transfers.py`: one function per public function
  of interop

Nothing here asks interop what is right: `oracle.py` is written from the documentation.
"""
