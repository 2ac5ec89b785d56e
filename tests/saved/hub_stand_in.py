"""Just enough of the Hugging Face hub, on this machine, for its own Python library to save to and load from."""

import base64
import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Hub:
    """Repositories by id, their branches by name: files by path. ``seen`` are the requests, as method and path."""

    def __init__(self):
        self.repositories: dict[str, dict[str, dict[str, bytes]]] = {}
        self.seen: list[str] = []

    def commit(self, repo: str, branch: str) -> str:
        files = self.repositories[repo][branch]
        digest = hashlib.sha1(repr(sorted((k, hashlib.sha1(v).hexdigest()) for k, v in files.items())).encode())
        return digest.hexdigest()

    def files(self, repo: str, revision: str) -> dict[str, bytes] | None:
        branches = self.repositories.get(repo, {})
        return next((f for b, f in branches.items() if revision in (b, self.commit(repo, b))), None)


def handler_of(hub: Hub) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_):
            pass

        def answer(self, content, status=200, body=True, **headers):
            data = content if isinstance(content, bytes) else json.dumps(content).encode()
            self.send_response(status)
            for name, value in {"Content-Length": str(len(data)), **headers}.items():
                self.send_header(name.replace("_", "-"), value)
            self.end_headers()
            if body:
                self.wfile.write(data)

        def missing(self, code, body=True):
            self.answer({"error": code}, 404, body, **{"X-Error-Code": code, "X-Error-Message": code})

        def do_POST(self):
            hub.seen.append(f"POST {self.path}")
            sent = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            if self.path == "/api/repos/create":
                asked = json.loads(sent)
                name = f"{asked.get('organization') or 'me'}/{asked['name']}"
                hub.repositories.setdefault(name, {"main": {}})
                return self.answer({"url": f"http://{self.headers['Host']}/{name}"})
            if self.path == "/api/validate-yaml":
                return self.answer({"errors": [], "warnings": []})
            repo, verb, revision = re.fullmatch(r"/api/models/([^/]+/[^/]+)/(\w+)/([^/?]+).*", self.path).groups()
            branches = hub.repositories[repo]
            if verb == "branch":
                branches[revision] = dict(branches["main"])
                return self.answer({})
            if verb == "preupload":
                asked = json.loads(sent)["files"]
                modes = [{"path": f["path"], "uploadMode": "regular", "shouldIgnore": False} for f in asked]
                return self.answer({"files": modes})
            for line in map(json.loads, sent.splitlines()):
                if line["key"] == "file":
                    branches[revision][line["value"]["path"]] = base64.b64decode(line["value"]["content"])
            commit = hub.commit(repo, revision)
            return self.answer(
                {"commitUrl": f"http://{self.headers['Host']}/{repo}/commit/{commit}", "commitOid": commit}
            )

        def do_GET(self, body=True):
            hub.seen.append(f"{self.command} {self.path}")
            path = self.path.partition("?")[0]
            if match := re.fullmatch(r"/api/models/([^/]+/[^/]+)(?:/(revision|tree)/([^/]+))?", path):
                repo, verb, revision = match[1], match[2], match[3] or "main"
                if repo not in hub.repositories:
                    return self.missing("RepoNotFound", body)
                files = hub.files(repo, revision)
                if files is None:
                    return self.missing("RevisionNotFound", body)
                if verb == "tree":
                    tree = [
                        {"type": "file", "path": p, "size": len(f), "oid": hashlib.sha1(f).hexdigest()}
                        for p, f in files.items()
                    ]
                    return self.answer(tree, body=body)
                branch = next(b for b, f in hub.repositories[repo].items() if f is files)
                siblings = [{"rfilename": p} for p in files]
                return self.answer(
                    {"id": repo, "modelId": repo, "sha": hub.commit(repo, branch), "siblings": siblings}, body=body
                )
            repo, revision, name = re.fullmatch(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", path).groups()
            files = hub.files(repo, revision)
            if files is None or name not in files:
                return self.missing("EntryNotFound", body)
            etag = hashlib.sha1(files[name]).hexdigest()
            return self.answer(files[name], body=body, ETag=f'"{etag}"', **{"X-Repo-Commit": revision})

        def do_HEAD(self):
            self.do_GET(body=False)

    return Handler


@contextmanager
def stand_in() -> Iterator[tuple[Hub, str]]:
    """A hub and its address."""
    hub = Hub()
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler_of(hub))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield hub, f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
