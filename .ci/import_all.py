"""Import every module of the installed package, and say where it came from.

python import_all.py PART     PART must be part of the path of the package
"""

import importlib
import pkgutil
import sys

import potential_flow

place = potential_flow.__file__
if sys.argv[1] not in place:
    sys.exit(f"potential_flow comes from {place}")
names = [m.name for m in pkgutil.walk_packages(potential_flow.__path__, "potential_flow.")]
for name in names:
    importlib.import_module(name)
print(f"{len(names)} modules imported from the wheel, version {potential_flow.__version__}")
