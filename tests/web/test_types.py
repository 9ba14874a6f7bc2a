"""The types that the page's modules tell in their comments, checked by TypeScript."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

from halab.kit.paths import ROOT
from halab.web import assets

# Their types are under another name than their code
NAMED = {
    "@xterm/xterm/lib/xterm.mjs": 'export { Terminal } from "@xterm/xterm";',
    "@xterm/addon-fit/lib/addon-fit.mjs": 'export { FitAddon } from "@xterm/addon-fit";',
}
OPTIONS = {
    "allowJs": True,
    "checkJs": True,
    "noEmit": True,
    "strict": True,
    "target": "es2023",
    "lib": ["es2023", "dom", "dom.iterable"],
    "module": "esnext",
    "moduleResolution": "bundler",
    "skipLibCheck": True,
    "types": [],
}


def test_modules_keep_to_the_types_that_they_tell(tmp_path: Path) -> None:
    packages = assets.ensure(print, tests=True)
    (tmp_path / "node_modules").symlink_to(packages)
    paths = {"/modules/*": ["./node_modules/*"]}
    for number, (name, code) in enumerate(NAMED.items()):
        (tmp_path / f"{number}.ts").write_text(code)
        paths[f"/modules/{name}"] = [f"./{number}.ts"]
    project = {"compilerOptions": {**OPTIONS, "paths": paths}, "include": [f"{ROOT}/halab/web/static/*.js"]}
    (tmp_path / "tsconfig.json").write_text(json.dumps(project))
    node = shutil.which("node") or str(Path(sys.executable).with_name("node"))

    argv = [node, f"{packages}/typescript/bin/tsc", "--project", str(tmp_path)]
    found = subprocess.run(argv, capture_output=True, text=True, check=False)

    assert found.stdout == ""
